"""Topics about delivery."""

from __future__ import annotations

from annotator.demo.content.scenario import Scenario

SCENARIOS = (
    Scenario(
        topic="late parcel",
        products=(
            "Alva floor lamp",
            "Birk side table",
            "Nomi pendant light",
            "Tove desk lamp",
            "Rune bookshelf",
        ),
        questions=(
            "Where is my {product}? Order {order} was meant to be here last week.",
            "I ordered a {product} ({order}) and the tracking page has not moved since Monday. What is going on?",
            "My parcel with the {product} is late and nobody tells me anything. Order {order}.",
            "Is the {product} from order {order} lost? The courier has no idea.",
            "Tracking for {order} says 'in transit' for ages. Will the {product} arrive at all?",
        ),
        facts=(
            "Your parcel is still at the courier's depot in Leeds, because a pallet was sorted to the wrong route.",
            "The {product} left our warehouse on schedule, but the courier's van broke down and the scans stopped.",
            "Your parcel missed its connection at the depot in Leeds, and I can see it there in the courier's system.",
            "It is not lost: the {product} was found in the courier's depot with a torn label, and has a new one.",
            "It will arrive, as {order} has only been waiting at the depot for a van with room for it.",
        ),
        soon=(
            "It is loaded again and will be with you by {day}.",
            "The courier has confirmed delivery within {n} working days.",
        ),
        vague=(
            "It should be on its way to you again soon.",
            "The courier is working on it and it will be delivered in due course.",
        ),
        step=(
            "Please reply to this message if you would rather collect it from the depot.",
            "If nobody is at home, open the tracking link and choose a neighbour or a parcel shop.",
        ),
        dead_end=(
            "We have passed your message on to the courier.",
            "Unfortunately parcels do get stuck at the moment.",
        ),
        hype=(
            "The wait will be worth it, because the {product} is truly stunning and you will absolutely love it!",
            "Our amazing logistics team is second to none and moves mountains for every single order!",
        ),
        extra=(
            "To give you a bit of background, every parcel passes through three sorting centres on its way, and each of them scans the label, which is why the tracking page sometimes shows the same place twice in a row.",
            "We have been working with the same courier since we opened our first shop in Bristol, and as a rule they handle our lamps and furniture with great care, even in the busy season before the holidays.",
        ),
    ),
    Scenario(
        topic="delivery slot",
        products=(
            "Holm oak dining table",
            "Vida sofa",
            "Ekra wardrobe",
            "Holm oak bench",
            "Lund sideboard",
        ),
        questions=(
            "Can I choose the day on which the {product} is delivered? I work shifts.",
            "How do I book a delivery slot for the {product}, order {order}?",
            "Do your drivers ring before they come with the {product}?",
            "I will be away at the weekend. Can you deliver the {product} another day?",
            "Can the {product} in order {order} come in the evening?",
        ),
        facts=(
            "Yes, you choose the day yourself, and an evening slot is possible too.",
            "The slot for the {product} is booked online, since our own team brings it into the room you want.",
            "Yes, the drivers ring half an hour before they reach you, on the number in your order.",
            "Another day is no problem, and we keep the {product} in the depot until it suits you.",
            "Yes, our two-person team also works in the evening, until nine, for orders such as {order}.",
        ),
        soon=(
            "The first free slot in your area is {day} between 8 and 12.",
            "The team can be with you in {n} days, in the morning or the evening.",
        ),
        vague=(
            "Slots in your area come up from time to time.",
            "The team will get in touch when they are in your area.",
        ),
        step=(
            "Open “My orders”, choose “Delivery slot” and pick the one that suits you.",
            "Please reply with two slots that suit you and I will book one of them.",
        ),
        dead_end=(
            "Our planners look after the routes.",
            "The route depends on the other deliveries.",
        ),
        hype=(
            "Our legendary delivery crew turns every delivery into a truly magical moment!",
            "Get ready for a spectacular new look, your home will be transformed like never before!",
        ),
        extra=(
            "The team brings blankets, straps and shoe covers, takes the packaging back to our depot and recycles the cardboard, so that you do not have to think about any of this on the day itself.",
            "Some of our vans are electric already and we hope to replace the remaining ones over the coming years, which also means that deliveries in city centres have become a good deal quieter than before.",
        ),
    ),
    Scenario(
        topic="address change",
        products=(
            "Tove desk lamp",
            "Maja wall light",
            "Birk side table",
            "Sol table lamp",
            "Nomi pendant light",
        ),
        questions=(
            "I moved house. Can order {order} still go to my new address?",
            "Wrong postcode on {order}! How can I change it?",
            "Please send the {product} to my office instead of my home, is that possible?",
            "I typed the wrong house number for order {order}, what now?",
            "Can my {product} be sent to my sister instead? I am the one who paid.",
        ),
        facts=(
            "Yes, order {order} is packed but has not left the warehouse, so the address can still be changed.",
            "The label for {order} has not been printed, and that is why a new postcode is no problem.",
            "Yes, the {product} can go to an office, as long as somebody is there to take it.",
            "No harm done, because the van with {order} has not been loaded and the number can be corrected.",
            "Yes, it can go to your sister, and as the buyer you are the one who may change that.",
        ),
        soon=(
            "Changes are possible until noon tomorrow.",
            "We need it within {n} hours, before the van is loaded.",
        ),
        vague=(
            "Changes are possible for a little while.",
            "It only works before the van is loaded.",
        ),
        step=(
            "Please reply with the full new address, including the postcode.",
            "Go to “My orders”, choose {order} and enter the new address there.",
        ),
        dead_end=(
            "The warehouse handles these changes.",
            "Address data is kept in the order itself.",
        ),
        hype=(
            "Wherever you live, the {product} will look absolutely breathtaking there!",
            "Congratulations on your dream home, our fantastic lights will make it shine!",
        ),
        extra=(
            "Addresses are checked automatically when an order is placed, yet the check only compares the postcode with the town, so a wrong house number or a missing flat number goes through without any warning at all.",
            "Many of our customers move house in spring and summer, and we see a lot of such changes then, which is one of the reasons why the form in your account was made simpler last year.",
        ),
    ),
    Scenario(
        topic="parcel not received",
        products=("Sol table lamp", "Fjord rug", "Maja wall light", "Tove desk lamp", "Ida mirror"),
        questions=(
            "Tracking says my {product} was delivered but there is nothing here. Order {order}.",
            "The courier claims that I signed for {order}. I did not!",
            "Someone must have taken my parcel with the {product} from the porch. Can you help?",
            "Order {order} is marked as delivered, my neighbours have not got it either.",
            "I was at home all day and no {product} came, but the app says delivered?",
        ),
        facts=(
            "The driver's scan places the {product} in your street, but at another number.",
            "I have looked at the signature on {order}, and it is not the one in your account.",
            "I am afraid the {product} was left in a safe place that was not safe, and we take responsibility for that.",
            "The scan of {order} was made at the depot and not at a door, so it was too early.",
            "The app shows a delivery, yet the driver's position was two streets away when the {product} was scanned.",
        ),
        soon=(
            "An inquiry with the courier takes at most {n} working days, then we send a new one.",
            "We will have the driver's answer by {day}.",
        ),
        vague=(
            "An inquiry with the courier has been started and takes its time.",
            "The driver will be asked about it.",
        ),
        step=(
            "Please check with the reception or the neighbours once more and reply with “not found”, so that I can send a new one.",
            "Then fill in the short form under “My orders”, “Parcel missing”.",
        ),
        dead_end=(
            "You should have chosen a parcel shop if nobody can watch the porch.",
            "Couriers are independent companies.",
        ),
        hype=(
            "We are known for world-class service and an incredible delivery record!",
            "Over a million thrilled customers trust our unbeatable delivery!",
        ),
        extra=(
            "Drivers have to scan each parcel at the door and to note who took it, and where they leave it in a safe place they are asked to take a picture, although this does not happen in every single case.",
            "We talk to the courier about such cases every month, and the share of parcels that go astray has become a lot smaller since the new scanners were brought in at the larger depots.",
        ),
    ),
    Scenario(
        topic="split order",
        products=(
            "Alva floor lamp",
            "Kaj dining chair",
            "Rune bookshelf",
            "Saga armchair",
            "Nomi pendant light",
        ),
        questions=(
            "Only one of two boxes of order {order} arrived. Where is the other one?",
            "I ordered four {product}s and got two. Is the rest coming?",
            "Half of {order} is missing, the delivery note lists everything though.",
            "Why was my order {order} split and when do I get the {product}?",
            "The shade came without the {product}. Did you forget it?",
        ),
        facts=(
            "The other box of {order} left from our second warehouse in Ghent and is on its way.",
            "Yes, the other {product}s are coming, as they were packed in a second parcel.",
            "What is missing from {order} is not forgotten, because the note lists both parcels.",
            "Order {order} was split since the {product} is kept in Ghent and the rest near Coventry.",
            "We did not forget it: the shade and the {product} travel in two boxes for safety.",
        ),
        soon=(
            "The second parcel arrives on {day}.",
            "It was handed to the courier and takes {n} to 6 days.",
        ),
        vague=(
            "The second parcel follows separately.",
            "It will be with you as soon as it has crossed the channel.",
        ),
        step=(
            "Please keep the delivery note and tell us by reply if anything is missing after that.",
            "Use the second tracking number in your confirmation email to follow it.",
        ),
        dead_end=(
            "There is nothing unusual about it.",
            "You did not read the note in the confirmation, it was mentioned there.",
        ),
        hype=(
            "Two parcels mean double the joy, and both are packed with incredible design!",
            "Good things come in twos, and this one is a real game-changer for your living room!",
        ),
        extra=(
            "Lamps and small furniture are stored near Coventry and the heavier pieces near Ghent, since it is closer to the workshops that make them, and an order with both kinds is therefore divided by our system.",
            "The delivery note in the first parcel always lists the whole order, which confuses a lot of people, and our colleagues in the warehouse are testing a version that shows the contents of each parcel apart.",
        ),
    ),
    Scenario(
        topic="delivery abroad",
        products=("Fjord rug", "Maja wall light", "Sol table lamp", "Ida mirror", "Tove desk lamp"),
        questions=(
            "Do you deliver the {product} to Ireland?",
            "How much is delivery to Norway for a {product}?",
            "Can you ship the {product} to a friend in Austria as a present?",
            "Is it possible to order the {product} from Malta?",
            "I live on the Isle of Man, do you send parcels here?",
        ),
        facts=(
            "Yes, we deliver the {product} to Ireland, and the charge is {amount}.",
            "Delivery of a {product} to Norway costs {amount}, with customs included.",
            "Yes, we can send the {product} to Austria with a card instead of the invoice, for {amount}.",
            "Yes, Malta is on our list for smaller items such as the {product}, and delivery costs {amount}.",
            "Yes, the Isle of Man counts as the mainland with us, and delivery costs {amount}.",
        ),
        soon=(
            "Delivery takes {n} to 7 working days.",
            "Orders placed this week arrive within 10 days.",
        ),
        vague=(
            "Delivery takes somewhat longer than at home.",
            "It depends on customs how long it is on its way.",
        ),
        step=(
            "Choose the country at the top of the basket, then enter the address as usual.",
            "Please use the “Send elsewhere” button in the basket to see the total.",
        ),
        dead_end=("Larger furniture is a different matter.", "Not every country is covered."),
        hype=(
            "No border can stop our spectacular design from reaching you!",
            "Wow, our amazing lights are conquering the whole continent!",
        ),
        extra=(
            "We started to deliver abroad after many requests from customers who had moved away and missed our shops, first to the neighbouring countries and later to most of the continent, with a few islands still missing.",
            "The parcels are handed over to the local post at the border, and the tracking number changes at that point, which is why the page may look as if nothing happened for a while.",
        ),
    ),
    Scenario(
        topic="damaged box",
        products=(
            "Lund sideboard",
            "Glim glass shade",
            "Alva floor lamp",
            "Ida mirror",
            "Nomi pendant light",
        ),
        questions=(
            "The box of my {product} arrived crushed and one corner is broken. Order {order}.",
            "My {product} came with a crack. I want a new one.",
            "The {product} is scratched all over, what are you going to do about it?",
            "Glass everywhere when I opened the parcel with the {product} ({order}).",
            "The courier dropped my {product}, I saw it. Who pays for that?",
        ),
        facts=(
            "A crushed corner is damage on the way, and you will get a new {product} free of charge.",
            "A cracked {product} is of no use to anybody, so you will get a new one at our expense.",
            "Scratches like that should not have passed our checks, and the {product} will be replaced.",
            "Broken glass is dangerous, so the {product} from {order} need not be sent back, and a replacement is free.",
            "You do not pay for that: the courier is insured, and the {product} will be replaced.",
        ),
        soon=(
            "The new one leaves tomorrow and arrives by {day}.",
            "A new {product} will be with you in {n} working days.",
        ),
        vague=(
            "The new one will be sent when the case has been looked at.",
            "A new {product} will follow once it is approved.",
        ),
        step=(
            "Please reply with a photo of the damage and of the label on the box.",
            "Upload one photo under “My orders”, “Report damage”.",
        ),
        dead_end=(
            "Our colleagues in QC will have a look at your case.",
            "Damage like this is usually caused by the courier.",
        ),
        hype=(
            "Our world-class craftsmanship normally survives everything, it is simply unbeatable!",
            "Soon you will adore your flawless, absolutely stunning {product}!",
        ),
        extra=(
            "All fragile items are packed in moulded pulp and a double box, and the packaging was tested from a height of one metre on all sides, but there is little it can do against a fork-lift or a fall from a van.",
            "We collect reports of damage from all regions and go through them with the courier each quarter, so your message also helps other customers, even if that is no comfort to you at this moment.",
        ),
    ),
    Scenario(
        topic="cancel order",
        products=(
            "Vida sofa",
            "Saga armchair",
            "Rune bookshelf",
            "Kaj dining chair",
            "Birk side table",
        ),
        questions=(
            "I want to cancel order {order}, please.",
            "Can I still cancel the {product}? I found a cheaper one.",
            "I ordered the {product} twice by mistake. Can you delete one of them?",
            "Please stop {order}, my plans have changed.",
            "How do I cancel just the {product} and keep the rest of the order?",
        ),
        facts=(
            "Order {order} has not been sent yet, so it can be cancelled without any charge.",
            "Yes, the {product} is not packed yet, and you get back {amount}.",
            "I see both orders for the {product}, and the second one can be taken out at no cost.",
            "Order {order} can still be stopped, because it has not been handed over to the van.",
            "One item alone can be cancelled too, and the {product} reduces the total by {amount}.",
        ),
        soon=(
            "The money is back on your card within {n} working days.",
            "You will see the amount in your account by {day}.",
        ),
        vague=("The money goes back to your card after that.", "The refund is made by your bank."),
        step=(
            "Open “My orders”, choose the order and click “Cancel”.",
            "Please reply “yes, cancel” and I will take care of it.",
        ),
        dead_end=(
            "Cancellations are handled by the system.",
            "You should have checked the basket before paying.",
        ),
        hype=(
            "Are you really sure? The {product} is an incredible bargain and everybody is thrilled with it!",
            "You will never find such unbeatable quality anywhere else!",
        ),
        extra=(
            "We ask for a reason when an order is cancelled, although you do not have to give one, because it helps our buyers to see whether prices, colours or delivery made people change their minds about a piece.",
            "An order passes several stages, from received to packed to handed over, and the button in your account is shown or hidden by the stage, so it may look different from one order to the next.",
        ),
    ),
)
