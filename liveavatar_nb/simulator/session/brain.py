"""What the avatar answers: no language model, but an echo that has read its prompt."""

from __future__ import annotations

import re
from typing import Final

from ..account.ledger import Persona

LONGEST_QUOTE: Final = 160  # characters
SHORTEST_WORD: Final = 4  # characters of a word that tells what a sentence is about
WORD: Final = re.compile(r"\w+")
# what a sentence is never about
COMMON: Final = WORD.findall(
    "about also been could does from have here into just like more much only other over should some such than that "
    "their them then there these they this those very want were what when where which will with would your"
)
SENTENCE_END: Final = re.compile(r"(?<=[.!?。！？])\s*(?=\S)|\s*\n+\s*")  # noqa: RUF001 (the stops of Chinese and Japanese)
GREETING: Final = re.compile(r"\W*(hello|hi|hey|good (morning|day|afternoon|evening))\b", re.IGNORECASE)
THANKS: Final = re.compile(r"\b(thanks|thank you)\b", re.IGNORECASE)
FAREWELL: Final = re.compile(r"\W*(bye|goodbye|good night|see you)\b", re.IGNORECASE)
ORDINALS: Final = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")


class Brain:
    """One conversation's; the same questions in the same order have the same answers.

    It speaks English. In another language it only quotes: the question, and its prompt.
    """

    def __init__(self, persona: Persona) -> None:
        self._name = persona.name
        self._sentences = [one for one in SENTENCE_END.split(persona.prompt or "") if one.strip()]
        self._topics = [_topics(sentence) for sentence in self._sentences]
        self._speaks_english = persona.language.lower().startswith("en")
        self._turns = 0

    def answer(self, text: str) -> str:
        """One or two sentences."""
        self._turns += 1
        quote = f"“{_ended(_shortened(text))}”"
        fitting = self._fitting(text)
        if not self._speaks_english:
            return f"{quote} {fitting or ''}".strip()
        if fitting:
            return f"{self._reference(quote)} My prompt says: {_ended(_shortened(fitting))}"
        if FAREWELL.match(text):
            return f"Goodbye! That was your {self._ordinal()} message."
        if THANKS.search(text):
            return "You are welcome! Is there anything else that you would like to ask?"
        if GREETING.match(text):
            return f"Hello! I am the simulator's {self._name or 'avatar'}, and I answer from my prompt."
        return f"{self._reference(quote)} I am only a simulator, and my prompt says nothing about it."

    def _reference(self, quote: str) -> str:
        return f"You said: {quote}" if self._turns == 1 else f"Your {self._ordinal()} message was: {quote}"

    def _ordinal(self) -> str:
        return ORDINALS[self._turns - 1] if self._turns <= len(ORDINALS) else "latest"

    def _fitting(self, text: str) -> str | None:
        """The sentence of the prompt with the most words of the question, the first of several."""
        asked = _topics(text)
        scores = [sum(_closeness(word, topics) for word in asked) for topics in self._topics]
        best = max(scores, default=0)
        return self._sentences[scores.index(best)] if best else None


def transcribed(seconds: float) -> str:
    """What a microphone's speech becomes: the simulator hears that somebody speaks, and not what."""
    if not seconds:
        return "(silence)"
    return f"({seconds:.1f} seconds of speech, which the simulator does not understand)"


def _topics(text: str) -> set[str]:
    words = {word.lower() for word in WORD.findall(text)}
    return {word for word in words if len(word) >= SHORTEST_WORD and word not in COMMON}


def _closeness(word: str, topics: set[str]) -> int:
    """2 for the word itself, 1 for one that begins like it: open, opening."""
    return 2 if word in topics else int(any(one.startswith(word) or word.startswith(one) for one in topics))


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_QUOTE else f"{line[:LONGEST_QUOTE].rstrip()}…"


def _ended(sentence: str) -> str:
    return sentence if sentence.endswith((".", "!", "?", "…")) else f"{sentence}."
