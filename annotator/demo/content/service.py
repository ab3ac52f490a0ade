"""Topics about the account, payment and service."""

from __future__ import annotations

from annotator.demo.content.scenario import Scenario

SCENARIOS = (
    Scenario(
        topic="login",
        products=("Sol table lamp", "Alva floor lamp", "Fjord rug", "Vida sofa", "Ida mirror"),
        questions=(
            "I cannot log in any more and the reset email does not arrive.",
            "How do I change the email address of my account?",
            "My account is locked. Why?",
            "I ordered the {product} as a guest. Can I add it to my account?",
            "Somebody logged in to my account from abroad!",
        ),
        facts=(
            "Your account was locked after several wrong passwords, and nothing in it has been changed.",
            "The address can be changed in your account, and your orders stay as they are.",
            "Your account was locked because somebody tried many passwords on it.",
            "Yes, the order of the {product} can be added to your account, as the address is the same.",
            "I have ended all sessions of your account, and no order was placed from abroad.",
        ),
        soon=(
            "The lock opens by itself after 30 minutes.",
            "The change is active within {n} hours.",
        ),
        vague=("The lock opens by itself.", "The change becomes active in the background."),
        step=(
            "Click “Forgotten password” and use the newest of the emails you get.",
            "Please reply with the right address and the number of your last order.",
        ),
        dead_end=("Security is important to us.", "You must have mistyped it yourself."),
        hype=(
            "Your account opens the door to an incredible world of design!",
            "Members enjoy fantastic offers and magical moments all year!",
        ),
        extra=(
            "We lock accounts because there are programs that try out long lists of stolen passwords at night, and the lock makes this so slow that it is not worth the effort for those who run such programs.",
            "A password is never stored as such on our side but only as a kind of fingerprint of it, which means that nobody in our company could read it to you, even if we wanted to be helpful on the phone.",
        ),
    ),
    Scenario(
        topic="payment failed",
        products=(
            "Holm oak dining table",
            "Saga armchair",
            "Nomi pendant light",
            "Vida sofa",
            "Lund sideboard",
        ),
        questions=(
            "My card was declined when I tried to buy the {product}.",
            "I was charged twice for order {order}!",
            "The payment for {order} is still pending. Was it successful?",
            "Can I pay for the {product} in instalments?",
            "Why do you ask for the card again? I paid {amount} already.",
        ),
        facts=(
            "Your bank asked for a second confirmation that did not come, so the {product} was not paid for.",
            "Only one payment of {amount} was taken for {order}, and the other one is a reservation by your bank.",
            "The payment for {order} was not successful, but the order is kept for you.",
            "Yes, the {product} can be paid in instalments of {amount}, without interest.",
            "The first {amount} were only reserved and never booked, which is why we ask again.",
        ),
        soon=(
            "The reservation disappears within {n} days.",
            "We keep the order for you until {day}.",
        ),
        vague=("The reservation disappears by itself.", "We keep the order for you for a while."),
        step=(
            "Open “My orders”, click “Pay again” and confirm it in your bank's app.",
            "Please reply with a screenshot of both lines if they are still there then.",
        ),
        dead_end=("Payments are made by our partner.", "Your bank has to know about it."),
        hype=(
            "Do not let this amazing bargain get away!",
            "Such stunning quality at this unbeatable price is worth a second try!",
        ),
        extra=(
            "When you pay by card, the bank first sets the amount aside and books it only when we send the goods, and if a payment is broken off in between there may be two amounts set aside for the same order.",
            "For larger amounts a second confirmation is required by law, usually in the bank's own app, and the window for it closes rather quickly, for example when the phone is in another room or has no signal.",
        ),
    ),
    Scenario(
        topic="shop visit",
        products=(
            "Vida sofa",
            "Saga armchair",
            "Alva floor lamp",
            "Holm oak dining table",
            "Fjord rug",
        ),
        questions=(
            "Can I see the {product} in one of your shops?",
            "Is your shop in Cardiff open on bank holidays?",
            "Can I collect order {order} in the shop?",
            "Is there parking at the Bristol shop?",
            "May I bring my dog to the shop to try the {product}?",
        ),
        facts=(
            "Yes, the {product} stands in our shops in Bristol and Cardiff.",
            "Our shop in Cardiff is closed on bank holidays, and open on all other days but Sunday.",
            "Yes, collecting {order} in the shop is free.",
            "There is a car park behind the Bristol shop, with room for vans.",
            "Yes, dogs on a lead are welcome, and the {product} has survived many of them.",
        ),
        soon=("We are open on {day} from 10 to 6.", "An order is ready for you after {n} hours."),
        vague=("We are open as usual.", "An order is ready for you some time later."),
        step=(
            "Choose “Collect” in the basket, and bring the code from the email.",
            "Please book a visit on the page of the shop if you want advice.",
        ),
        dead_end=("All our shops are in the city.", "It is often busy."),
        hype=(
            "Come and dream! Our breathtaking showroom is the most magical place in town!",
            "You will adore our spectacular new flagship store!",
        ),
        extra=(
            "The house in Bristol was a printing works before we moved in, and the old crane still hangs from the ceiling in the middle of the room, with our largest lamp on the hook where the paper rolls used to be.",
            "Our shops are set up like flats, with a kitchen, a bedroom and a study, since we found that people sit down and try things more readily there than in front of a long row of the same chairs.",
        ),
    ),
    Scenario(
        topic="newsletter",
        products=(
            "Sol table lamp",
            "Maja wall light",
            "Ida mirror",
            "Glim glass shade",
            "Tove desk lamp",
        ),
        questions=(
            "How do I unsubscribe from your newsletter?",
            "I unsubscribed twice and still get your emails!",
            "Please delete my account and all my data.",
            "Which data do you keep about me?",
            "Stop sending me reminders about the {product} in my basket.",
        ),
        facts=(
            "You have been taken off the list of our newsletter.",
            "You had been on two lists, and are now off both of them.",
            "All data about you can be deleted except for invoices, which the law makes us keep.",
            "We keep your name, address, orders and messages, and nothing about your browsing.",
            "The reminders about the {product} are switched off.",
        ),
        soon=(
            "It takes up to {n} days until the last email has gone.",
            "Your data will be deleted by {day}.",
        ),
        vague=("A last email may still be on its way.", "Your data will be deleted in due course."),
        step=(
            "Please confirm it with the link in the email that I have sent you.",
            "Go to “My account”, “Privacy”, and click “Download” to see them all.",
        ),
        dead_end=(
            "Emails are sent by a partner.",
            "You forgot to untick the box when you ordered.",
        ),
        hype=(
            "You will miss our incredible stories and fantastic deals!",
            "Over a million readers are thrilled with our legendary newsletter!",
        ),
        extra=(
            "There are three lists, for news, for offers and for reminders, and each has its own link at the bottom, which was meant to give people a finer choice but has turned out to annoy those who want none of them.",
            "Our newsletter is written by two colleagues in the shop in Cardiff, who began it as a single printed sheet for regular customers and still take all the photographs in it by themselves.",
        ),
    ),
    Scenario(
        topic="complaint",
        products=(
            "Vida sofa",
            "Alva floor lamp",
            "Ekra wardrobe",
            "Kaj dining chair",
            "Rune bookshelf",
        ),
        questions=(
            "This is my third message about order {order} and nobody answers!",
            "Your hotline cut me off twice. I want to complain.",
            "The fitter who built my {product} was very rude.",
            "Your chat bot sent me in circles. Is there a human?",
            "I want to speak to the manager about the {product}.",
        ),
        facts=(
            "Your messages about {order} were put into the wrong queue, and I have all of them in front of me now.",
            "Our telephone system failed, and your calls were among those that were cut off.",
            "This is not how our fitters should behave, and I have written down what you said about the {product}.",
            "Yes, I am a human, and I have read your whole chat.",
            "I have passed your wish to our team leader, together with the history of the {product}.",
        ),
        soon=(
            "Our team leader Ruth will call you by {day}.",
            "You will have an answer within {n} hours.",
        ),
        vague=(
            "Our team leader will look into it.",
            "You will have an answer when it is your turn.",
        ),
        step=(
            "Please reply with a phone number and the time that suits you.",
            "Send the names and dates you remember to complaints@lumenandoak.example.",
        ),
        dead_end=(
            "We take all complaints seriously.",
            "According to our policy complaints are dealt with in writing.",
        ),
        hype=(
            "Our award-winning service is second to none, with an amazing 98 percent of happy customers!",
            "We are obsessed with giving you a fantastic experience!",
        ),
        extra=(
            "Messages are sorted by a program that looks for certain words, and one with an order number and a complaint in it may be taken for a question about delivery, which is what seems to have happened in this case.",
            "We have grown from a shop with three people to a company with two hundred in a short time, and not all of our ways of working have kept up with it, as we have to admit.",
        ),
    ),
    Scenario(
        topic="business order",
        products=(
            "Kaj dining chair",
            "Tove desk lamp",
            "Nomi pendant light",
            "Lund sideboard",
            "Holm oak bench",
        ),
        questions=(
            "We need forty {product}s for our office. Is there a discount?",
            "Do you deliver the {product} to building sites?",
            "Can a school order the {product} on invoice?",
            "I run a café and need ten {product}s. Who can I talk to?",
            "Does the {product} have a fire certificate for hotels?",
        ),
        facts=(
            "From ten pieces on there is 12 percent off the {product}.",
            "Yes, we deliver to building sites if somebody signs for the {product}.",
            "Yes, schools can order the {product} on invoice.",
            "Amira looks after cafés and restaurants, and from ten pieces on one {product} costs {amount} less.",
            "Yes, the {product} is certified for hotels, and there is a paper for the inspector.",
        ),
        soon=(
            "An offer is ready within {n} working days.",
            "Forty pieces can be delivered in 3 weeks.",
        ),
        vague=("An offer will be made for you.", "A large number can be delivered as well."),
        step=(
            "Please send the quantity, colour and address to business@lumenandoak.example.",
            "Fill in the form at lumenandoak.example/business, then Amira will contact you.",
        ),
        dead_end=("Our business team is rather small.", "Large orders are planned by the WMS."),
        hype=(
            "Your guests will say wow, since our stunning design makes every business a legend!",
            "Join hundreds of thrilled companies with our unbeatable offers!",
        ),
        extra=(
            "Our chairs stand in two theatres, a good many cafés and one lighthouse, and we like to go and see after some years how they have aged, because nothing tells us more about a joint than a thousand people sitting on it.",
            "Certificates are issued by an institute in Manchester, which burns, drops and twists samples of each model, and their reports are long and dull but have taught our workshops a great deal.",
        ),
    ),
    Scenario(
        topic="sustainability",
        products=(
            "Holm oak dining table",
            "Vida sofa",
            "Birk side table",
            "Rune bookshelf",
            "Saga armchair",
        ),
        questions=(
            "Where does the wood of the {product} come from?",
            "Do you take back my old sofa when you bring the {product}?",
            "Is the {product} free of formaldehyde?",
            "Can the packaging of the {product} be recycled?",
            "Are there spare covers or parts for the {product} in ten years?",
        ),
        facts=(
            "The oak of the {product} comes from certified forests in the Ardennes.",
            "Yes, our team takes the old sofa along when it brings the {product}, for {amount}.",
            "Yes, the {product} is free of formaldehyde, and so is its glue.",
            "Yes, all the packaging of the {product} is cardboard and paper.",
            "Yes, there will be covers and parts for the {product}, since we keep all the patterns.",
        ),
        soon=(
            "Collection can be added until {day}.",
            "You get our answer in writing within {n} days.",
        ),
        vague=(
            "Collection can be added to the order.",
            "You can have our answer in writing as well.",
        ),
        step=(
            "Tick “Take back old furniture” in the basket, or reply with your order number.",
            "Scan the code below the seat to see the forest and the certificate.",
        ),
        dead_end=("Sustainability matters to all of us.", "There are many labels in the market."),
        hype=(
            "Saving the planet never looked so stunning, what an incredible feeling!",
            "Our revolutionary green magic makes dream homes for generations!",
        ),
        extra=(
            "A certified forest is one where no more is cut than grows back, where old trees are left to the owls, and where somebody from outside comes to check it, which sounds simple but takes a lot of paper.",
            "Offcuts from tables become stools, and offcuts from stools become handles, and what remains heats the workshop in winter, as it did in the days of the grandfather of the man who runs it now.",
        ),
    ),
    Scenario(
        topic="price question",
        products=(
            "Alva floor lamp",
            "Vida sofa",
            "Ekra wardrobe",
            "Glim glass shade",
            "Ida mirror",
        ),
        questions=(
            "Why is the {product} so much more expensive than last year?",
            "Is there a sale on the {product} soon?",
            "I saw the {product} cheaper elsewhere. Do you match prices?",
            "What does the {product} cost with delivery?",
            "The price in the basket is not the one on the page of the {product}!",
        ),
        facts=(
            "The {product} costs {amount} more than last year, because material and transport have become dearer.",
            "There are two sales in the year, and the {product} is usually part of one.",
            "Yes, we match the price if the {product} is new and in stock at the other shop.",
            "With delivery the {product} comes to the price on its page plus {amount}.",
            "The basket shows the right price, and the page of the {product} was out of date by {amount}.",
        ),
        soon=(
            "The next sale starts on {day}.",
            "We match a lower price within 14 days of the purchase.",
        ),
        vague=("The next sale will come.", "We match a lower price in many cases."),
        step=(
            "Please send us the link to the other shop and we will check it.",
            "Click the heart next to the price to get an email when it changes.",
        ),
        dead_end=("Prices are set by our buyers.", "Prices change all the time."),
        hype=(
            "Quality like this is priceless, and our customers are simply thrilled!",
            "At this unbeatable price it is the most fantastic deal in the country!",
        ),
        extra=(
            "About a third of a price goes into material, a third into work, and the rest has to pay for transport, shops, advice and taxes, so that a change in the cost of glass is felt sooner than people think.",
            "We do not raise a price before a sale in order to cut it afterwards, and the lowest price of the last weeks is printed in small grey figures below the present one, as the rules demand.",
        ),
    ),
)
