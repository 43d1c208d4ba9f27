"""Cues: wording that tells what a sentence of a support thread does, in English and Korean.

Belongs here: one predicate a kind of sentence (courtesy, question, request, action, works, fails, cause, done).
Does not belong here: how much a cue weighs, or what is done about it (``extractive``).

A cue is a hint: it weighs sentences of one ticket against each other, it never decides about a ticket.
"""

import re
from collections.abc import Callable
from functools import lru_cache

Cue = Callable[[str], bool]


def _cue(english: str, korean: str) -> Cue:
    """One alternative a line, or several with "|". English is matched as whole words; case does not matter."""
    words = re.compile(rf"\b(?:{_alternatives(english)})(?!\w)", re.IGNORECASE)
    endings = re.compile(_alternatives(korean))

    @lru_cache(maxsize=1024)
    def matches(sentence: str) -> bool:
        if words.search(sentence.replace("’", "'")):
            return True
        return not sentence.isascii() and endings.search(sentence) is not None

    return matches


def _alternatives(lines: str) -> str:
    return "|".join(line.strip() for line in lines.strip().splitlines())


is_courtesy = _cue(
    """
    thank|thanks|thx|appreciated?|sorry|apolog\\w+|regret|inconvenience|you're welcome|no problem|no worries|glad|cheers
    happy to (?:help|assist)|here to help|let (?:us|me) know|anything else|feel free|have a (?:nice|great|good)
    hear (?:that|this|about)|look(?:ing)? forward|hope (?:this|that)|good question|well done|my pleasure|regards
    """,
    """
    감사|고맙|죄송|불편을|송구|양해|수고|반갑|안녕하|좋은 하루|언제든|도움이 되|답변 ?드립
    문의 ?(?:주|하)신|문의 ?주셔|추가(?:로)? 문의|걱정되|급하실
    """,
)
"""Thanks, apologies and the like."""

is_question = _cue(r"\w+\W*\?\W*$", r"？$|(?:까요|나요|는지요|신가요|은가요|인가요)[.~]*$")

is_request = _cue(
    """
    (?:please|kindly|can you|could you|would you|will you) .*(?:try|send|dm|share|check|give|provide|message|email|call)
    """,
    "시겠(?:어요|습니까)",
)
"""A question that asks for something to be done: "Could you send …?" """

_ORDERS = """
    add|allow|ask|assign|bind|call|change|check|choose|clear|click|connect|contact|copy|create|delete|disable|dm|download
    edit|email|enable|enter|follow|go|hold|install|join|keep|leave|let|log|make|move|open|order|pick|plug|press|provide|put
    reinstall|remove|rename|replace|reply|reset|restart|return|run|save|scan|select|send|set|share|sign|submit|swap|switch
    take|tap|tick|try|turn|unplug|untick|update|upload|use|visit
"""
is_action = _cue(
    f"""
    (?:(?<=^)|(?<=[:;,(] )|(?:please|then|and|now|also|to|just|kindly|instead|first|or) )(?:{_alternatives(_ORDERS)})
    (?:we|i|team|they)(?:'ve| have| had)?(?: just| now| already| also)? (?:\\w+ed|did|sent|made|put|set|reset|found|took|gave)
    (?:has|have|is|are|was|were)(?: now| just| been)+ \\w+(?:ed|n|t)
    you(?:'ll| will| can| may| need| should| could|'d) .{{0,20}}(?:need|have to|use|find|see|do|try|get|add|set|contact|call)
    \\w+\\W{{0,2}} > .+
    """,
    """
    주(?:세요|십시오|시면|시기|셔야|시고|시길|셔도)
    (?:세요|십시오|바랍니다|권합니다|드립니다|드렸습니다|됩니다)[.!~]*$
    시?면 (?:됩|돼|바로|해결|정상|나|다시|반영|보|들어|사라|없어|풀)
    (?:했|두었|놓았|였|렸|꿨|쳤|냈|겼|췄|웠|켰|껐|됐|되었)습니다
    """,
)
"""Something done, or told to do."""

is_done = _cue(
    """
    (?:we|i)(?:'ve| have)?(?: just| now| already| also)? (?:\\w+ed|did|sent|put|set)
    (?:has|have) (?:now |just )?been \\w+(?:ed|n|t)
    (?:is|are) now \\w+|refunded|credited|released|restored|unlocked|goes out today|on its way
    """,
    "(?:했|드렸|두었|놓았|됐|되었|완료)(?:습니다|어요)|완료|처리되|반영되",
)
"""An agent says what was done."""

works = _cue(
    """
    works?|working|worked|fixed|solved|resolved|sorted|perfect(?:ly)?|all good|done|success\\w*|no more|that was it
    that did it|(?:is|are|am|s|was) (?:back|in|online|ok|okay|fine)|back (?:in|up|online|again)
    close (?:this|it|the ticket)|received|arrived|accepted|got it
    """,
    """
    됐|되었|돼요|됩니다|되네|되는|돼서|풀렸|나왔|나옵|들어가(?:졌|집)|들어갔|들어왔|바뀌|보입|보여요|받았|고쳤|처리했
    해결|정상|성공|완료|종결|잘 [되나돼보]
    """,
)
"""A customer says that it works."""

fails = _cue(
    """
    still (?:no|not|the|get|show|say|ha|can|does|is|isn|see|wait|fail|miss)\\w*(?:'t)?
    (?:did|does|do|is|was|has|can|could|would|wo)n't|not work\\w*|no luck|no change|same (?:error|problem|issue|thing|result)
    unfortunately|nope|without success|failed|again (?:today|now)
    (?:not|never|nothing|no one|be|get|getting|need|want|when|until|if|waiting) (?:\\w+ ){0,3}(?:work\\w*|fixed|solved)
    (?:not|never|nothing|no one|be|get|getting|need|want|when|until|if|waiting) (?:\\w+ ){0,3}(?:sorted|received|arrived|done)
    """,
    "아직|여전히|그래도|똑같|그대로|실패|안 ?(?:되|돼|됩|됨|나와|나옵|보여|보입|열)|못 ",
)
"""A customer says that it still does not."""

is_aside = _cue(
    """
    by the way|for (?:the|your) future|in future|next time|in the meantime|meanwhile|afterwards|a tip|one more thing|ps|p\\.s
    to prevent|so that (?:it|this) (?:does|won)
    """,
    "참고로|앞으로|다음부터|다음에는|같은 일|예방|미리|그 사이|그동안",
)
"""Advice beside the matter, or for the time being."""

is_cause = _cue(
    """
    caused by|because|due to|turn(?:s|ed) out|root cause|the (?:cause|reason|culprit) (?:is|was|for)|that(?:'s| is) why
    as a result of
    """,
    """
    원인|때문|탓에|탓입|확인 ?(?:결과|해 ?보니|했더니)|살펴보니|로 인(?:해|하여|한)|(?:서|여서|어서|라서)입니다
    문제였|오류였
    """,
)
"""A cause is stated."""
