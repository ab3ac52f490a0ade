"""Topics about the products themselves."""

from __future__ import annotations

from annotator.demo.content.scenario import Scenario

SCENARIOS = (
    Scenario(
        topic="bulb",
        products=(
            "Alva floor lamp",
            "Nomi pendant light",
            "Tove desk lamp",
            "Maja wall light",
            "Sol table lamp",
        ),
        questions=(
            "Which bulb do I need for the {product}?",
            "The bulb of my {product} burnt out. Do you sell new ones?",
            "Can I put a smart bulb into the {product}?",
            "Is there a bulb in the box of the {product}?",
            "The {product} is too bright for me. Is there a weaker bulb?",
        ),
        facts=(
            "The {product} takes an E27 LED bulb of up to 12 watts.",
            "Yes, we sell bulbs for the {product}, and one costs {amount}.",
            "Yes, a smart bulb fits into the {product} if it has an E27 base.",
            "Yes, a warm white bulb of 470 lumens is in the box of the {product}.",
            "Yes, there is a bulb of 250 lumens for {amount}, which is about half as bright.",
        ),
        soon=(
            "A bulb ordered today arrives on {day}.",
            "Spare bulbs take {n} working days by letter post.",
        ),
        vague=(
            "A bulb ordered now arrives like all other parcels.",
            "Spare bulbs are sent by letter post.",
        ),
        step=(
            "Type “E27 warm” into the search box, then order the one with 470 lumens.",
            "Please use the button “Matching bulbs” on the page of the lamp.",
        ),
        dead_end=("Bulbs can be found in many shops.", "There are a lot of different bulbs."),
        hype=(
            "Our incredible bulbs bring the magical glow of a summer evening into your home!",
            "You will love this breathtaking light, it is a real game-changer!",
        ),
        extra=(
            "Colour temperature is given in kelvin, where a low number stands for a warm and a high one for a cool light, and most people like it warm in the living room and somewhat cooler in the kitchen or at a desk.",
            "LED bulbs use about a tenth of the power of the old ones and get far less warm, which allows for shades of paper and felt that nobody would have dared to put around a bulb in former times.",
        ),
    ),
    Scenario(
        topic="dimmer",
        products=(
            "Nomi pendant light",
            "Alva floor lamp",
            "Maja wall light",
            "Lys ceiling light",
            "Sol table lamp",
        ),
        questions=(
            "The {product} buzzes with my dimmer. What can I do?",
            "Can the {product} be dimmed?",
            "Which dimmer switch works with the {product}?",
            "My {product} flickers when I turn it down.",
            "Does the {product} need a special dimmer for LED?",
        ),
        facts=(
            "The buzzing comes from an older dimmer, as the {product} needs one that is made for LED.",
            "Yes, the {product} can be dimmed down to a tenth of its light.",
            "Any trailing-edge dimmer from 3 watts works with the {product}.",
            "It flickers because your dimmer is made for a higher load than the 9 watts of the {product}.",
            "Yes, the {product} needs a dimmer for LED, and ours costs {amount}.",
        ),
        soon=(
            "Our dimmer is in stock and delivered by {day}.",
            "An electrician changes it in under 30 minutes.",
        ),
        vague=("Our dimmer is in stock at the moment.", "An electrician can change it."),
        step=(
            "Please look for the letters “RC” on your dimmer and reply with a photo of it.",
            "Turn the small screw below the cover to “min” until it stops.",
        ),
        dead_end=(
            "Dimmers are a matter for a specialist.",
            "You should have read the symbol on the box.",
        ),
        hype=(
            "Dim the light and dream away, this spectacular lamp creates pure romance!",
            "Our revolutionary light engine is simply second to none!",
        ),
        extra=(
            "Dimmers cut a slice out of each wave of the current, either at its beginning or at its end, and the electronics in an LED bulb only cope well with the second kind, while old filament bulbs did not mind at all.",
            "In houses built some decades ago the dimmers are often made for several hundred watts, because there used to be five or six strong bulbs in one lamp, whereas a whole room is lit with a tenth of it now.",
        ),
    ),
    Scenario(
        topic="assembly",
        products=(
            "Rune bookshelf",
            "Kaj dining chair",
            "Ekra wardrobe",
            "Lund sideboard",
            "Holm oak bench",
        ),
        questions=(
            "How many people do I need to build the {product}?",
            "I am stuck at step 7 of the {product}.",
            "The doors of my {product} hang crooked. What did I do wrong?",
            "Do you have a video for building the {product}?",
            "Can somebody come and build the {product} for me?",
        ),
        facts=(
            "Two people can build the {product}, and all the tools are in the box.",
            "At step 7 the back panel has to slide in with its rough side to the wall, which is easy to miss.",
            "Crooked doors are nearly always the hinge plates, which fit both ways round but work in only one.",
            "Yes, there is a video for the {product}, with all the steps from the frame to the handles.",
            "Yes, our fitters build the {product} for {amount} and take the packaging with them.",
        ),
        soon=("It takes about 45 minutes.", "Our fitter has time on {day}, for {amount}."),
        vague=(
            "It takes a bit of patience.",
            "Our fitters can do it for {amount} when they are around.",
        ),
        step=(
            "Scan the code on page 1 of the instructions to watch the video from step 5 on.",
            "Please loosen the two upper screws, lift the door by a finger and tighten them again. Then reply with a photo if it still hangs.",
        ),
        dead_end=("It is all in the instructions.", "You did not follow the drawing, most likely."),
        hype=(
            "It will look absolutely stunning, your friends will be thrilled!",
            "Building it is an amazing adventure for the whole family!",
        ),
        extra=(
            "We draw our instructions without words, so that they can be used in all countries, and test them with people who have never built a piece of furniture before, although a drawing can never show each angle.",
            "Oak is a living material and moves a little with the moisture in the air, so that doors which hung straight in autumn may need a quarter turn of the screw in spring, and the other way round.",
        ),
    ),
    Scenario(
        topic="stock",
        products=(
            "Saga armchair",
            "Vida sofa",
            "Holm oak dining table",
            "Glim glass shade",
            "Ida mirror",
        ),
        questions=(
            "When will the {product} be back in stock?",
            "The {product} has been sold out for ages. Is it coming back?",
            "Can you keep a {product} for me when it comes in?",
            "Is the {product} in your Bristol shop?",
            "Did you stop making the {product}?",
        ),
        facts=(
            "The {product} stays in our range, and new ones are being made.",
            "The {product} is coming back, as our workshop has got the fabric for it again.",
            "Yes, we can put a {product} aside for you without any deposit.",
            "The shop in Bristol has a last {product} on display.",
            "No, we have not stopped making the {product}, it only got a new frame.",
        ),
        soon=("We expect it back in {n} weeks.", "The next ones arrive on {day}."),
        vague=(
            "We expect it back at some point.",
            "The next ones will come in when they are finished.",
        ),
        step=(
            "Click “Tell me” on its page, and you will get an email as soon as it can be ordered.",
            "Please reply with your phone number if the shop is to keep one for you.",
        ),
        dead_end=("Demand is high at the moment.", "The SKU is on backorder with the supplier."),
        hype=(
            "Everybody wants it, because the {product} is legendary and you will adore it!",
            "No wonder, it is the most spectacular piece we have ever made!",
        ),
        extra=(
            "Our furniture is made by four family workshops that take turns with the different models, so one model is made in a row and another has to wait, which is gentler on the machines and saves a lot of wood.",
            "The glass comes from a furnace that is heated all the year round and is only put out for repairs in summer, and in this period there is always less of it on our shelves than we would like.",
        ),
    ),
    Scenario(
        topic="measurements",
        products=(
            "Holm oak dining table",
            "Lund sideboard",
            "Vida sofa",
            "Ekra wardrobe",
            "Fjord rug",
        ),
        questions=(
            "Does the {product} fit through a door of 75 cm?",
            "How heavy is the {product}?",
            "What are the exact measures of the {product}? Your page shows only the width.",
            "Is there a smaller {product}?",
            "How much room do I need around the {product}?",
        ),
        facts=(
            "Yes, it fits, because the {product} comes in parts and the largest is 70 cm wide.",
            "The {product} weighs 38 kg, packed in two boxes.",
            "The {product} is 180 cm wide, 45 cm deep and 74 cm high.",
            "Yes, there is a smaller {product} of 120 cm.",
            "About 60 cm on each side is enough around the {product}.",
        ),
        soon=(
            "Both sizes can be delivered by {day}.",
            "The smaller one is made to order in {n} weeks.",
        ),
        vague=("Both sizes can be delivered.", "The smaller one is made to order."),
        step=(
            "Measure the narrowest point on the way, then compare it with the drawing under “Details”.",
            "Please reply with the width of your door and I will check it for you.",
        ),
        dead_end=(
            "Furniture of this kind is rather large.",
            "You could have seen it in the drawing.",
        ),
        hype=(
            "Big or small, this incredible piece makes any room look like a palace!",
            "Its stunning proportions follow the golden ratio, simply breathtaking!",
        ),
        extra=(
            "Our designers begin with paper models in the real size, which they leave standing in a flat for a while to see where people bump into them, and the final measures are often a little less than at first planned.",
            "A rule of thumb from our shops is to leave about one arm's length behind a chair and half of it beside a table, as guests then can get up without asking each other to move.",
        ),
    ),
    Scenario(
        topic="wood care",
        products=(
            "Holm oak dining table",
            "Holm oak bench",
            "Birk side table",
            "Lund sideboard",
            "Kaj dining chair",
        ),
        questions=(
            "How do I care for the {product}?",
            "I have a red wine stain on my {product}. Help!",
            "There is a white ring on the {product} from a hot cup.",
            "Which oil do you use for the {product}?",
            "Can the {product} stand outside in summer?",
        ),
        facts=(
            "The {product} is oiled and not varnished, so a damp cloth is all it needs as a rule.",
            "Red wine can be taken out of the {product}, since the oil keeps it near the surface.",
            "A white ring is steam in the oil, and the wood of the {product} below it is not harmed.",
            "We use a hard wax oil without solvents for the {product}.",
            "The {product} is not made for the garden, because oiled wood likes neither rain nor the sun.",
        ),
        soon=(
            "The oil is dry after 12 hours.",
            "A bottle of our oil costs {amount} and arrives by {day}.",
        ),
        vague=("The oil dries by itself.", "A bottle of our oil costs {amount}."),
        step=(
            "Take a fine sanding pad, rub along the grain, and put on a thin layer of oil.",
            "Please try it at a hidden place first, and send us a photo if the mark stays.",
        ),
        dead_end=("Wood is a natural product.", "You ought to have used a coaster."),
        hype=(
            "Our amazing oak gets more stunning with every year, you will adore it!",
            "Treat it to our legendary oil, a dream come true for every table!",
        ),
        extra=(
            "Oak contains tannin, an acid that turns blue or black when it meets iron and water, so that a wet pan leaves a darker mark than a glass of wine, even if people are far more afraid of the wine.",
            "The trees for our tables grow in the Ardennes and are cut in winter when there is little sap in them, and the planks are dried in the open air before they ever see the inside of a kiln.",
        ),
    ),
    Scenario(
        topic="installation",
        products=(
            "Lys ceiling light",
            "Maja wall light",
            "Nomi pendant light",
            "Ida mirror",
            "Rune bookshelf",
        ),
        questions=(
            "Can I put up the {product} myself?",
            "What kind of screws do I need to hang the {product} on a plaster wall?",
            "There are three wires in my ceiling but the {product} has only two.",
            "Is the {product} safe for the bathroom?",
            "How high should the {product} hang?",
        ),
        facts=(
            "Yes, you may put up the {product} yourself if you know how to cut the power.",
            "A plaster wall needs hollow-wall plugs for the 4 kg of the {product}, and they are not in the box.",
            "The {product} has protection class II, which needs two wires only, and the third stays unused.",
            "The {product} is rated IP44 and is safe in a bathroom, though not inside the shower.",
            "The lower edge of the {product} should be about 70 cm above a table.",
        ),
        soon=(
            "Putting it up takes about 20 minutes.",
            "Our fitter can do it on {day} for {amount}.",
        ),
        vague=("Putting it up is not hard.", "Our fitter can do it for {amount}."),
        step=(
            "Switch off the fuse, check with a tester, and insulate the green and yellow wire.",
            "Please send us a photo of the ceiling before you drill.",
        ),
        dead_end=("Electrical work is regulated.", "Walls are different in each house."),
        hype=(
            "Let there be light, and what a spectacular light it is!",
            "This world-class design will be the magical heart of your home!",
        ),
        extra=(
            "Lamps are sorted into three classes by the way in which they protect people, and the sign for the second class is a square in a square, which stands on the small silver label near the socket of the lamp.",
            "Above a dining table most people like a lamp that ends about an arm's length over the wood, so that it lights the food and not the eyes, while in a hall it has to hang well above everyone's head.",
        ),
    ),
    Scenario(
        topic="smart home",
        products=(
            "Lys ceiling light",
            "Alva floor lamp",
            "Tove desk lamp",
            "Sol table lamp",
            "Maja wall light",
        ),
        questions=(
            "My {product} does not connect to the app.",
            "Does the {product} work with a voice assistant?",
            "After the update my {product} turns on by itself at night.",
            "How do I reset the {product}?",
            "Can I group the {product} with other lamps in the app?",
        ),
        facts=(
            "The {product} uses Zigbee and therefore needs a hub, which the app does not say clearly.",
            "Yes, the {product} works with the three common voice assistants.",
            "This is a known fault of the last update, after which lamps such as the {product} forget their schedule.",
            "A reset of the {product} clears its groups but not its warranty.",
            "Yes, the {product} can be grouped with all lamps that use the same hub.",
        ),
        soon=("The corrected version comes on {day}.", "The lamp is found again within 2 minutes."),
        vague=("A corrected version is on its way.", "The lamp should be found again afterwards."),
        step=(
            "Switch the lamp on and off five times, then choose “Add device” in the app.",
            "Open the app, tap “Groups” and add the lamp again.",
        ),
        dead_end=("Wireless networks have their own life.", "Our developers know about it."),
        hype=(
            "Welcome to the future, our revolutionary app is a game-changer!",
            "Control your dream home with one amazing touch!",
        ),
        extra=(
            "Zigbee lamps pass on messages for each other, so that a lamp far away from the hub can be reached by way of those between, and therefore it helps to leave them on at the wall and to switch them by the app.",
            "Metal cabinets, thick walls and microwave ovens weaken the signal, and sometimes it is enough to move the hub by the length of a ruler, away from the router, to make a whole house work again.",
        ),
    ),
)
