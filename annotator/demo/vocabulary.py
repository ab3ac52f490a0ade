"""What the demo model can see in an answer: about twenty notions in plain words.

A notion is one thing an answer has or has not. The same table serves three ends: seeing it in an answer, reading
that a text speaks of it, and writing it down as a criterion. What is not in the table, the demo model cannot see.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Notion:
    """One thing an answer has or has not.

    Attributes:
        seen: Finds it in an answer.
        named: Finds that instructions or a comment speak of it.
        has: What an answer with it does, to follow "The answer": "states a time frame".
        wanted: The criterion that asks for it, one sentence.
        unwanted: The criterion that forbids it, one sentence.
        usually_wanted: Whether people who mention it usually mean that it is good to have.
    """

    key: str
    seen: re.Pattern[str]
    named: re.Pattern[str]
    has: str
    lacks: str
    wanted: str
    unwanted: str
    usually_wanted: bool


def _pattern(text: str, flags: int = re.IGNORECASE) -> re.Pattern[str]:
    return re.compile(text, flags | re.VERBOSE)


_NUMBER = r"(?:\d+|one|two|three|four|five|six|seven|eight|ten|twelve|fourteen|thirty)"
_DAY = r"(?:mon|tues|wednes|thurs|fri|satur|sun)day"
_MONTH = (
    r"(?:january|february|march|april|may|june|july|august|september|october|november|december)"
)
_ACTS = (
    r"(?:click|tap|reply|open|choose|select|send|go|fill|enter|upload|email|call|print|scan|book|log"
    r"|sign|attach|press|unplug|switch|forward|pick|use|hand|leave|tell|take|measure|turn|tick|type|check|try"
    r"|confirm|look|loosen)"
)


def _notion(
    key: str,
    *,
    seen: str,
    named: str,
    has: str,
    lacks: str,
    wanted: str,
    unwanted: str,
    usually_wanted: bool = True,
    flags: int = re.IGNORECASE,
) -> Notion:
    return Notion(
        key=key,
        seen=_pattern(seen, flags),
        named=_pattern(named),
        has=has,
        lacks=lacks,
        wanted=f"The answer must {wanted}.",
        unwanted=f"The answer must not {unwanted}.",
        usually_wanted=usually_wanted,
    )


VOCABULARY: dict[str, Notion] = {
    notion.key: notion
    for notion in (
        _notion(
            "time_frame",
            seen=rf"""\b{_NUMBER}(?:\s*(?:-|\u2013|to|or)\s*{_NUMBER})?\s+(?:working\s+|business\s+|more\s+)?
                      (?:minutes?|hours?|days?|weeks?)\b
                      |\b(?:by|on|before|until|this|next|from|is)\s+(?:the\s+end\s+of\s+)?(?:{_DAY}|tomorrow|today|noon)\b
                      |\btomorrow\b|\b\d{{1,2}}(?:st|nd|rd|th)?\s+(?:of\s+)?{_MONTH}\b|\b{_MONTH}\s+\d{{1,2}}\b""",
            named=r"""time[ ]?-?frames?|time[ ]?lines?|\bdates?\b|how[ ]long|by[ ]when|deadline|number[ ]of[ ]days
                      |how[ ]many[ ]days|wh(?:ich|at)[ ]day|\bETA\b
                      |\bwhen[ ](?:it|the|they|this|that|to[ ]expect|things|she|he|will|a|exactly)\b""",
            has="states a concrete time frame",
            lacks="states no concrete time frame",
            wanted="state a concrete time frame, such as a date or a number of days",
            unwanted="promise a date or a number of days",
        ),
        _notion(
            "next_step",
            seen=rf"""\b(?:please|just|simply|now|then|you[ ]can|next[ ]step:?)\s+(?:also\s+)?{_ACTS}\b
                      |(?:^|[.!?:|]\s+|\n[\W\d]*)(?:to[ ][^.,]{{3,40}},[ ])?{_ACTS}\b""",
            named=r"""next[ ]steps?|what[ ]to[ ]do|what[ ]happens[ ]next|how[ ]to[ ](?:proceed|go[ ]on|start|continue)
                      |where[ ]to[ ](?:click|go|turn)|(?:concrete|clear)[ ](?:actions?|instructions?)|call[ ]to[ ]action
                      |what[ ](?:the[ ]customer|she|he|they|i)[ ](?:should|can|must|has[ ]to|have[ ]to)[ ]do""",
            has="gives a concrete next step",
            lacks="gives no concrete next step",
            wanted="give the customer a concrete next step",
            unwanted="tell the customer what to do",
        ),
        _notion(
            "hype",
            seen=r"""\b(?:amazing|fantastic|incredibl\w+|awesome|stunning|unbeatable|unbelievabl\w+|game[- ]chang\w+
                     |world[- ]class|best[- ]in[- ]class|breathtaking|thrill\w*|magical|legendary|spectacular|wow
                     |revolution\w+|second[ ]to[ ]none|you(?:'ll|[ ]will)[ ](?:absolutely[ ])?(?:love|adore)
                     |like[ ]never[ ]before|dream[ ]\w+)\b""",
            named=r"""\bhype\b|sales(?:y|[ -]?talk|[ ]pitch)|marketing|advert\w*|exaggerat\w+|superlativ\w+|gush\w*
                      |over-?enthusias\w+|brochure|promotional|bragg\w+""",
            has="uses hype",
            lacks="uses no hype",
            wanted="sound enthusiastic, with hype",
            unwanted="use hype or marketing talk",
            usually_wanted=False,
        ),
        _notion(
            "order_number",
            seen=r"\#?\bLO-?\d{4,}|\border\s+(?:number\s+|no\.?\s+)?\#?\d{4,}",
            named=r"order[ ](?:numbers?|ids?|reference)|reference[ ]number",
            has="names the order number",
            lacks="does not name the order number",
            wanted="name the order number",
            unwanted="repeat the order number",
        ),
        _notion(
            "apology",
            seen=r"\b(?:sorry|apolog\w+|regret)\b",
            named=r"\bapolog\w+|\bsorry\b",
            has="apologises",
            lacks="does not apologise",
            wanted="apologise to the customer",
            unwanted="apologise",
        ),
        _notion(
            "hedging",
            seen=r"""\b(?:maybe|perhaps|probably|possibly|might|i[ ]think|i[ ]believe|it[ ]depends|as[ ]far[ ]as[ ]i
                     |not[ ](?:quite[ ]|entirely[ ])?sure|hopefully)\b""",
            named=r"\bhedg\w+|\bvague\w*|wishy|non-?committal|\bunsure\b|\bevasive\b",
            has="hedges",
            lacks="does not hedge",
            wanted="say what is uncertain, with hedging words",
            unwanted="hedge or stay vague",
            usually_wanted=False,
        ),
        _notion(
            "blame",
            seen=r"""\byou\s+(?:should|could|ought[ ]to|must)\s+have\b|\byou\s+(?:failed|forgot|did[ ]not|didn't)\b
                     |\byour\s+(?:own\s+)?(?:fault|mistake|error)\b""",
            named=r"\bblam\w+|\baccus\w+|\bpatroni[sz]\w+|\blectur\w+",
            has="blames the customer",
            lacks="does not blame the customer",
            wanted="say so where the customer is to blame",
            unwanted="blame the customer",
            usually_wanted=False,
        ),
        _notion(
            "price",
            seen=r"[€£$]\s?\d|\b\d+(?:[.,]\d\d)?\s?(?:€|euros?|pounds?|dollars?)(?!\w)",
            named=r"\bprices?\b|\bamounts?\b|how[ ]much",
            has="names a price",
            lacks="names no price",
            wanted="name the price or the amount",
            unwanted="name prices",
        ),
        _notion(
            "measure",
            seen=r"\b\d+(?:[.,]\d+)?\s?(?:cm|mm|m|w|watts?|lumens?|lm|kg|kelvin|v|volts?)\b",
            named=r"\bmeasur(?:e|es|ement|ements)\b|\bdimensions?\b|\bwattage\b|\bsizes?\b",
            has="gives a measurement",
            lacks="gives no measurement",
            wanted="give the measurements",
            unwanted="give measurements",
        ),
        _notion(
            "link",
            seen=r"https?://|\bwww\.|\blumenandoak\.example/",
            named=r"\blinks?\b|\burls?\b|web[ ]address",
            has="gives a link",
            lacks="gives no link",
            wanted="give a link",
            unwanted="give links",
        ),
        _notion(
            "list",
            seen=r"^\s*(?:[-*•]|\d+[.)])\s",
            named=r"\bbullet\w*|\blists?\b|\bnumbered\b",
            has="uses a list",
            lacks="uses no list",
            wanted="use a list",
            unwanted="use a list",
            flags=re.MULTILINE,
        ),
        _notion(
            "table",
            seen=r"^\s*\|.*\|\s*$",
            named=r"\btables?\b",
            has="uses a table",
            lacks="uses no table",
            wanted="use a table",
            unwanted="use a table",
            usually_wanted=False,
            flags=re.MULTILINE,
        ),
        _notion(
            "greeting",
            seen=r"\A\W*(?:hi|hello|dear|good[ ](?:morning|afternoon|evening))\b",
            named=r"\bgreet\w*|\bsalutation",
            has="greets the customer",
            lacks="does not greet the customer",
            wanted="greet the customer",
            unwanted="begin with a greeting",
        ),
        _notion(
            "thanks",
            seen=r"\bthank(?:s|[ ]you)?\b",
            named=r"\bthank\w*",
            has="thanks the customer",
            lacks="does not thank the customer",
            wanted="thank the customer",
            unwanted="thank the customer",
        ),
        _notion(
            "empathy",
            seen=r"\bi\s+(?:can\s+)?(?:understand|see)\b|\bhow\s+(?:annoying|frustrating)|\b(?:annoying|frustrating)\b",
            named=r"\bempath\w+|\bsympath\w+|\bcompassion\w*",
            has="shows empathy",
            lacks="shows no empathy",
            wanted="show empathy",
            unwanted="show empathy",
        ),
        _notion(
            "contact",
            seen=r"[\w.]+@[\w.]+\w|\b\d{3,5}[ ]\d{3}[ ]?\d{3,4}\b",
            named=r"\bcontact[ ](?:details|address|data)|phone[ ]number|e-?mail[ ]address",
            has="gives contact details",
            lacks="gives no contact details",
            wanted="give a phone number or an email address",
            unwanted="give a phone number or an email address",
        ),
        _notion(
            "question_back",
            seen=r"\?",
            named=r"clarif\w+|(?:asks?|asking)[ ](?:a[ ]|the[ ]customer[ ]a[ ])?(?:follow-?up|question)|question[ ]back",
            has="asks a question back",
            lacks="asks no question back",
            wanted="ask a clarifying question",
            unwanted="end with a question back",
        ),
        _notion(
            "policy",
            seen=r"\bpolic(?:y|ies)\b|\bterms\s+(?:and|of)\b|\baccording\s+to\b",
            named=r"\bpolic(?:y|ies)\b|\bcit(?:e|es|ing)\b|\bterms[ ]and[ ]conditions",
            has="points to the policy",
            lacks="does not point to the policy",
            wanted="cite the policy it rests on",
            unwanted="hide behind a policy",
        ),
        _notion(
            "exclamation",
            seen=r"!",
            named=r"\bexclamation\w*|\bshout\w*",
            has="uses exclamation marks",
            lacks="uses no exclamation marks",
            wanted="use exclamation marks",
            unwanted="use exclamation marks",
            usually_wanted=False,
        ),
        _notion(
            "remedy",
            seen=r"\b(?:refund\w*|replacement|replace|voucher|discount|free[ ]of[ ]charge|repair\w*)\b",
            named=r"\bremed\w+|\bcompensat\w+|\bgoodwill\b|\brefunds?\b|\breplacements?\b|\bvouchers?\b",
            has="offers a remedy",
            lacks="offers no remedy",
            wanted="offer a remedy, such as a refund or a replacement",
            unwanted="offer a refund, a replacement or a voucher",
        ),
        _notion(
            "jargon",
            seen=r"\b(?:RMA|SKU|SLA|ERP|WMS|QC|3PL|backorder\w*|fulfil?ment|consignment)\b",
            named=r"\bjargon\b|internal[ ](?:terms?|words?|language)|\bacronyms?\b",
            has="uses internal jargon",
            lacks="uses no internal jargon",
            wanted="use the technical terms, jargon included",
            unwanted="use internal jargon",
            usually_wanted=False,
        ),
    )
}
