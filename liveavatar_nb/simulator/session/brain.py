"""Generates the avatar's answers by quoting the question and prompt; no language model is involved."""

from __future__ import annotations

import re
from typing import Final

from ..account.ledger import Persona

LONGEST_QUOTE: Final = 160  # characters
SHORTEST_WORD: Final = 4  # minimum characters; shorter words do not count as topics
WORD: Final = re.compile(r"\w+")
# words that are never topics
COMMON: Final = WORD.findall(
    "about also been could does from have here into just like more much only other over should some such than that "
    "their them then there these they this those very want were what when where which will with would your"
)
SENTENCE_END: Final = re.compile(r"(?<=[.!?。！？])\s*(?=\S)|\s*\n+\s*")  # noqa: RUF001 (Chinese and Japanese full stops)
GREETING: Final = re.compile(r"\W*(hello|hi|hey|good (morning|day|afternoon|evening))\b", re.IGNORECASE)
THANKS: Final = re.compile(r"\b(thanks|thank you)\b", re.IGNORECASE)
FAREWELL: Final = re.compile(r"\W*(bye|goodbye|good night|see you)\b", re.IGNORECASE)
ORDINALS: Final = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")


class Brain:
    """Answers one conversation's questions; the same sequence of questions always gets the same answers.

    In languages other than English, answers consist only of quotations from the question and the prompt.
    """

    def __init__(self, persona: Persona) -> None:
        self._name = persona.name
        self._sentences = [sentence for sentence in SENTENCE_END.split(persona.prompt or "") if sentence.strip()]
        self._topics = [_topics(sentence) for sentence in self._sentences]
        self._speaks_english = persona.language.lower().startswith("en")
        self._turns = 0

    def answer(self, text: str) -> str:
        """Return an answer of one or two sentences."""
        self._turns += 1
        quote = f"“{_punctuate(_shorten(text))}”"
        sentence = self._find_sentence(text)
        if not self._speaks_english:
            return f"{quote} {sentence or ''}".strip()
        if sentence:
            return f"{self._reference(quote)} My prompt says: {_punctuate(_shorten(sentence))}"
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

    def _find_sentence(self, text: str) -> str | None:
        """Return the prompt's sentence that shares the most words with the question; ties go to the earliest."""
        question = _topics(text)
        scores = [sum(_similarity(word, topics) for word in question) for topics in self._topics]
        best = max(scores, default=0)
        return self._sentences[scores.index(best)] if best else None


def transcribe(seconds: float) -> str:
    """Return a placeholder for speech: the simulator detects that somebody is speaking, but not what they say."""
    if not seconds:
        return "(silence)"
    return f"({seconds:.1f} seconds of speech, which the simulator does not understand)"


def _topics(text: str) -> set[str]:
    words = {word.lower() for word in WORD.findall(text)}
    return {word for word in words if len(word) >= SHORTEST_WORD and word not in COMMON}


def _similarity(word: str, topics: set[str]) -> int:
    """Return 2 if the word is a topic, 1 if it extends or abbreviates one ("opening" and "open"), else 0."""
    return 2 if word in topics else int(any(topic.startswith(word) or word.startswith(topic) for topic in topics))


def _shorten(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_QUOTE else f"{line[:LONGEST_QUOTE].rstrip()}…"


def _punctuate(sentence: str) -> str:
    return sentence if sentence.endswith((".", "!", "?", "…")) else f"{sentence}."
