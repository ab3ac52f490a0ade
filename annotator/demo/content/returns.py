"""Topics about returns, refunds and warranty."""

from __future__ import annotations

from annotator.demo.content.scenario import Scenario

SCENARIOS = (
    Scenario(
        topic="return an item",
        products=(
            "Fjord rug",
            "Tove desk lamp",
            "Saga armchair",
            "Sol table lamp",
            "Maja wall light",
        ),
        questions=(
            "The {product} does not go with my room. How can I send it back?",
            "I would like to return the {product} from order {order}.",
            "Can I return the {product} without the original box?",
            "Do I have to pay for sending the {product} back?",
            "Is it too late to return {order}? I opened it only yesterday.",
        ),
        facts=(
            "You are welcome to send the {product} back, and the return is free.",
            "A return from {order} is possible, and the {product} may have been tried out.",
            "Yes, a return without the original box is fine, as long as the {product} is well wrapped.",
            "No, you do not pay for it, because returns of a {product} are free.",
            "It is not too late, since for {order} the delivery counts and not the order.",
        ),
        soon=(
            "It has to reach us within 30 days of delivery.",
            "We collect it on {day}, and the money is back {n} days later.",
        ),
        vague=("It has to reach us in time.", "We collect it and the money comes after that."),
        step=(
            "Print the label under “My orders”, “Return”, and hand the parcel in at any parcel shop.",
            "Please reply with the number of boxes and I will send you the label.",
        ),
        dead_end=("Our returns team checks every parcel.", "Most customers keep what they bought."),
        hype=(
            "What a pity, as this {product} is the best seller in our fantastic new collection!",
            "Give it a second chance, its magical charm wins everybody over!",
        ),
        extra=(
            "Returned pieces are looked at by hand, cleaned where it is needed, and sold in our outlet shops in Leeds and Cardiff, so hardly anything that comes back to us has to be thrown away in the end.",
            "We changed the rules for returns two winters ago, when we found that people hesitated to order large rugs or chairs, and since then the number of orders has gone up far more than that of returns.",
        ),
    ),
    Scenario(
        topic="refund missing",
        products=(
            "Kaj dining chair",
            "Alva floor lamp",
            "Ida mirror",
            "Glim glass shade",
            "Birk side table",
        ),
        questions=(
            "I sent the {product} back and still have no refund. Order {order}.",
            "Where is my money for {order}?",
            "You got the {product} back a while ago, why is the refund not on my card?",
            "The refund for {order} is too low, delivery is missing.",
            "PayPal shows nothing. Did you really refund the {product}?",
        ),
        facts=(
            "Your {product} is back in our warehouse, and the refund of {amount} has been approved.",
            "The return of {order} is complete, and {amount} are being paid back in the way you paid.",
            "The {product} was checked without any finding, and {amount} are on their way to your card.",
            "You are right, the delivery charge was left out, and the remaining {amount} are being paid back.",
            "The refund for the {product} was made to PayPal, which lists it as {amount} “pending”.",
        ),
        soon=("It will be in your account by {day}.", "Banks take 2 to {n} working days for it."),
        vague=("It will show up on your statement at some point.", "Banks can be slow with this."),
        step=(
            "Please check the statement then, and reply with a screenshot if it is not there.",
            "Send us the last four digits of the card if you have a new one since then.",
        ),
        dead_end=(
            "Our finance team is looking after all refunds.",
            "You did not enclose the return slip, which is why it took longer.",
        ),
        hype=(
            "In the meantime, have a look at our incredible new arrivals!",
            "Why not treat yourself to something amazing with the money?",
        ),
        extra=(
            "A refund runs through our payment provider, then through the card network, and finally through your own bank, and each of the three books it at its own time, so that we cannot see where it is at any given moment.",
            "Delivery charges are paid back in full when the whole order is returned and not when only a part of it comes back, as described in the conditions that are linked at the bottom of each page.",
        ),
    ),
    Scenario(
        topic="exchange colour",
        products=("Vida sofa", "Saga armchair", "Fjord rug", "Kaj dining chair", "Sol table lamp"),
        questions=(
            "Can I swap the {product} for the dark green one?",
            "I got the {product} in grey but ordered blue. Order {order}.",
            "The colour of the {product} looks quite different from the pictures. Can I exchange it?",
            "How does an exchange work? I want the {product} in oak instead of walnut.",
            "Wrong colour! {order} should be sand, not white.",
        ),
        facts=(
            "Yes, the dark green one is in stock, and an exchange of the {product} is free.",
            "That was our mistake: the label on {order} says blue, but a grey one was packed.",
            "Yes, you can exchange the {product} even if only the shade of the colour is not what you expected.",
            "We have the {product} in oak, and the driver takes the walnut one back at the same time.",
            "I can see that {order} was for sand, so the exchange is on us.",
        ),
        soon=("The exchange can be made on {day}.", "The new one is ready to leave in {n} days."),
        vague=(
            "The exchange can be made when a van is free.",
            "The new one will be sent after that.",
        ),
        step=(
            "Please reply with the colour you want and I will book it.",
            "Choose “Exchange” next to the item in “My orders” and pick the colour.",
        ),
        dead_end=(
            "Colours look different on every screen.",
            "It was your own mistake to pick the colour from a phone.",
        ),
        hype=(
            "Dark green is this season's spectacular trend, your guests will say wow!",
            "Our stunning palette has a dream colour for everyone!",
        ),
        extra=(
            "All our pictures are taken in daylight and corrected on a calibrated screen, yet phones show warm colours stronger than they are, above all in the evening when the display turns yellow by itself to spare your eyes.",
            "The fabrics come from a mill in Portugal that dyes each colour in batches, and there may be a slight difference between two batches, which is noted on the label.",
        ),
    ),
    Scenario(
        topic="warranty claim",
        products=(
            "Alva floor lamp",
            "Tove desk lamp",
            "Ekra wardrobe",
            "Lund sideboard",
            "Nomi pendant light",
        ),
        questions=(
            "My {product} stopped working after a year. Is that covered?",
            "The switch of the {product} is broken. Do I have a warranty?",
            "A hinge of the {product} came off. What does the warranty say?",
            "I lost the receipt for my {product}. Can I still claim the warranty?",
            "The {product} flickers since last month. Repair or new one?",
        ),
        facts=(
            "Yes, the {product} has a five-year warranty, and this fault is covered by it.",
            "Yes, the switch is part of the warranty of the {product}, and the repair is free.",
            "The warranty covers the hinges of the {product}, unless it was moved with its doors open.",
            "Yes, we find the purchase of your {product} without a receipt.",
            "When a {product} flickers it is mostly the driver in the base, which our workshop replaces.",
        ),
        soon=("A repair takes about {n} weeks.", "The spare part is with you by {day}."),
        vague=(
            "A repair takes as long as it takes.",
            "The spare part will be sent when the workshop has it.",
        ),
        step=(
            "Please reply with the email address you ordered with and a short video of the fault.",
            "Fill in the warranty form under “Help”, and attach one photo.",
        ),
        dead_end=("Our workshop knows this model well.", "You must have turned it too hard."),
        hype=(
            "Our best-in-class quality is legendary, this almost never happens!",
            "Luckily you own a truly revolutionary {product}, the pride of our designers!",
        ),
        extra=(
            "The warranty covers material, switches, cables and hinges, but not scratches, bulbs or anything that comes from a fall, and it stays with the product when it is sold or given away, which few people know.",
            "Our workshop in Bristol repairs some forty lamps a week, mostly older models whose dimmers have worn out, and they keep spare parts for everything that we have sold since we opened.",
        ),
    ),
    Scenario(
        topic="missing part",
        products=(
            "Kaj dining chair",
            "Birk side table",
            "Holm oak bench",
            "Rune bookshelf",
            "Ekra wardrobe",
        ),
        questions=(
            "Two screws are missing from my {product}. Can you send them?",
            "The {product} came without the instructions.",
            "There is no allen key in the box of the {product}, order {order}.",
            "One shelf of the {product} is missing, I cannot finish it.",
            "I got two left sides for the {product}. Help!",
        ),
        facts=(
            "Yes, we keep the screws of the {product} in stock and send them for free.",
            "The instructions for the {product} can be had as a PDF or on paper.",
            "An allen key should be in every box, and we send you one for {order}, of course.",
            "We have single shelves for the {product} in our spare parts store, and it costs you nothing.",
            "Two left sides are a packing mistake, and you get the right one for your {product} for free.",
        ),
        soon=(
            "It goes out today by letter post and arrives in 2 to {n} days.",
            "You will have it by {day}.",
        ),
        vague=("It goes out by letter post.", "You will have it when the post delivers it."),
        step=(
            "Please reply with the letter of the part from page 2 of the instructions.",
            "Open “My orders”, choose “Missing part” and tap it in the drawing.",
        ),
        dead_end=(
            "Boxes are packed by machine.",
            "Parts like these are easy to overlook, you could have looked in the foam.",
        ),
        hype=(
            "Once it stands, you will be thrilled by this incredible piece of furniture!",
            "Our fantastic flat-pack system is a real game-changer!",
        ),
        extra=(
            "Each box is weighed before it is closed, and a box that is too light is opened again, but a single screw weighs less than the tolerance of the scales, so this check does not notice it.",
            "The drawings in our instructions were made anew last year together with a group of customers, who built each piece at home and told us at which point they had to stop and think.",
        ),
    ),
    Scenario(
        topic="invoice",
        products=(
            "Holm oak dining table",
            "Alva floor lamp",
            "Kaj dining chair",
            "Lund sideboard",
            "Vida sofa",
        ),
        questions=(
            "I need an invoice with VAT for order {order}.",
            "Where can I find the receipt for the {product}?",
            "The invoice for {order} has my private address, but I need the company on it.",
            "You sent me the invoice of another customer?!",
            "My accountant wants the invoice for the {product} once more.",
        ),
        facts=(
            "The invoice for {order} is a PDF and shows the VAT of 20 percent apart.",
            "The receipt for the {product} is kept in your account, beside the order.",
            "The invoice for {order} can be made out to the company, and the old one is cancelled with it.",
            "That must not happen, and I have reported it to our data protection officer.",
            "The invoice for the {product} can be had again as often as you like.",
        ),
        soon=(
            "You get it by email within {n} hours.",
            "The corrected one is in your account by {day}.",
        ),
        vague=("You get it by email.", "The corrected one will appear in your account."),
        step=(
            "Open “My orders”, choose {order} and click “Invoice”.",
            "Please reply with the company name and the VAT number as they should appear.",
        ),
        dead_end=(
            "Invoices are made by our ERP.",
            "You should have entered the company when you ordered.",
        ),
        hype=(
            "Even our invoices are world-class, just like our stunning furniture!",
            "Thank you for being part of our amazing Lumen & Oak family!",
        ),
        extra=(
            "Invoices are numbered by year and country, and are kept for ten years as the law demands, so that you find even very old ones in your account as long as the account itself has not been deleted.",
            "Companies in other countries of the union may buy without VAT when they give a valid number before they pay, whereas a number that is added later can only be used for the orders that follow.",
        ),
    ),
    Scenario(
        topic="discount code",
        products=(
            "Sol table lamp",
            "Fjord rug",
            "Nomi pendant light",
            "Glim glass shade",
            "Maja wall light",
        ),
        questions=(
            "My code WELCOME10 does not work for the {product}.",
            "I forgot to enter my voucher in order {order}. Can you add it?",
            "Can I use two discount codes for one order?",
            "The {product} is cheaper today than when I bought it. Do I get the difference?",
            "The newsletter promised a discount, but I never got a code.",
        ),
        facts=(
            "WELCOME10 is for a first order at the full price, and your {product} qualifies.",
            "A voucher can be added to {order} afterwards, as it has not been sent.",
            "No, only one code can be used for each order, and the better one gives you {amount} off.",
            "Yes, you get the difference of {amount}, since the price of the {product} changed soon after your purchase.",
            "The code of the newsletter was sent, but our emails to you come back.",
        ),
        soon=("The code is valid until {day}.", "We pay the difference back within {n} days."),
        vague=("The code is valid for a limited time.", "We will pay the difference back."),
        step=(
            "Enter the code in the basket, below the total, and click “Apply”.",
            "Please reply with the code and the order number and I will add it.",
        ),
        dead_end=(
            "Codes are made by our newsletter system.",
            "You forgot the conditions that were below the code.",
        ),
        hype=(
            "Our unbeatable prices are the talk of the town, so do not miss this incredible deal!",
            "Hurry, these fantastic offers are gone in the blink of an eye, wow!",
        ),
        extra=(
            "We send out codes to new subscribers, on birthdays, and a few times a year to everybody, and the three kinds follow different rules because they are paid for by different departments of our company.",
            "Some web pages collect codes and list a lot of invented ones, which is why a code that you find there will seldom work, and we have no influence on what such pages write about us.",
        ),
    ),
    Scenario(
        topic="gift card",
        products=("Sol table lamp", "Ida mirror", "Tove desk lamp", "Fjord rug", "Birk side table"),
        questions=(
            "I bought a gift card and the email never came.",
            "How long is a gift card valid?",
            "Can I pay for the {product} with two gift cards?",
            "My gift card shows a balance of zero, but I have not used it.",
            "Can I get a gift card on paper for a birthday?",
        ),
        facts=(
            "Your gift card over {amount} has been paid and is active.",
            "Our gift cards do not lose their value, and yours still holds {amount}.",
            "Yes, two gift cards can be combined for the {product}, and what is left stays on the card.",
            "Your card was blocked after wrong numbers had been entered, and the balance of {amount} is safe.",
            "Yes, there is a printed card in an envelope with a drawing on it.",
        ),
        soon=(
            "You get the email again within {n} hours.",
            "A printed card in an envelope arrives by {day}.",
        ),
        vague=("You will get the email again.", "A printed card in an envelope can be sent too."),
        step=(
            "Please check the spam folder and reply with another address if it is not there.",
            "Enter the number of the card under “Gift cards” to see the balance.",
        ),
        dead_end=("Gift cards are handled by a partner.", "Emails do get lost."),
        hype=(
            "A gift card is the most magical present in the world, everyone will adore you!",
            "You made an amazing choice, spread the incredible joy of light!",
        ),
        extra=(
            "The picture on the card can be chosen from twelve drawings by an illustrator from Glasgow, who has also designed the paper bags in our shops and the calendar that came with many orders last winter.",
            "Gift cards came into our shops as little wooden tokens many years ago, and although they are numbers in an email today, we still get a wooden one back from a drawer every now and again.",
        ),
    ),
)
