"""Sample history for a new account: sessions, contexts and the like, for users to explore."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from ..clock import MINUTE, SECOND
from .avatars import SANDBOX_AVATAR, avatar_id
from .belongings import Context, LlmConfiguration, Memory, Secret
from .identity import identifier
from .ledger import Mode, Session, TranscriptLine

if TYPE_CHECKING:
    from ..service import Service

HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
BEFORE_START: Final = 2 * SECOND  # time from creating a token to starting the session
Said = tuple[Literal["user", "avatar"], int, str]  # the speaker's role, seconds since the session started, and the text

GUIDE: Final = identifier("past: context of the guide")
DESK: Final = identifier("past: context of the desk")
SECRET: Final = identifier("past: secret")
TALK: Final = identifier("past: the guide's session")

GUIDE_PROMPT: Final = (
    "You are the guide of the Lantern Museum's shop. You know its prints, books and toys, and what each of them costs. "
    "Greet ${visitor_name} by name, ask what they liked in the museum, and suggest one or two things that go with it. "
    "Answer in two or three short sentences. If you do not know something, say so and point to the desk."
)
GUIDE_OPENING: Final = "Hello ${visitor_name}, welcome to the museum shop! What did you like best today?"
DESK_PROMPT: Final = (
    "You answer questions at the desk of the Lantern Museum: opening hours, tickets, the way to the halls. It is open "
    "from Tuesday to Sunday, 10:00 to 18:00. Children under 12 enter free of charge. Be brief and friendly."
)
DESK_OPENING: Final = "Good day! This is the desk of the Lantern Museum. How can I help?"

GUIDE_TALK: Final[tuple[Said, ...]] = (
    ("avatar", 2, "Hello Alex, welcome to the museum shop! What did you like best today?"),
    ("user", 11, "The hall with the old star maps was wonderful."),
    ("avatar", 16, "Those are a favourite! We have the map of 1742 as a print, in two sizes, and as a jigsaw puzzle."),
    ("user", 31, "How much is the small print?"),
    ("avatar", 35, "The small print is 18 euros, and a cardboard tube for the way home is included."),
    ("user", 52, "Do you have something for a child of six?"),
    (
        "avatar",
        57,
        "There is a lantern kit to fold from paper, and a picture book about the night sky for early readers.",
    ),
    ("user", 75, "The lantern kit sounds nice."),
    ("avatar", 79, "You will find it on the shelf beside the door. It takes about half an hour to make."),
    ("user", 96, "Thank you, that helped a lot."),
)
DESK_TALK: Final[tuple[Said, ...]] = (
    ("avatar", 2, "Good day! This is the desk of the Lantern Museum. How can I help?"),
    ("user", 9, "Are you open on Mondays?"),
    ("avatar", 13, "On Mondays we are closed. From Tuesday to Sunday we are open from 10:00 to 18:00."),
    ("user", 27, "And what does a ticket cost for a family?"),
    ("avatar", 32, "The family ticket is 22 euros, for two adults and up to three children. Under 12s get in free."),
    ("user", 47, "Great, see you on Sunday then."),
)


def furnish(service: Service) -> None:
    """Add the sample history, which spans the last nine days, to a new account; nothing in it is billed."""
    now = service.clock.now()
    _contexts(service, now)
    service.secrets.keep(Secret(id=SECRET, name="Museum shop, OpenAI", type="OPENAI_API_KEY", created_at=now - 8 * DAY))
    service.llm_configurations.keep(
        LlmConfiguration(
            id=identifier("past: LLM configuration"),
            display_name="The shop's own model",
            model_name="gpt-4o-mini",
            secret_id=SECRET,
            base_url="https://api.openai.com/v1",
            created_at=now - 8 * DAY,
            updated_at=now - 8 * DAY,
        )
    )
    for session in _sessions(now):
        service.ledger.remember(session)
    service.memories.keep(
        Memory(
            id=identifier("past: memory"),
            session_id=TALK,
            content="Alex liked the old star maps, asked about the small print (18 euros), and wants a present for a "
            "child of six: the lantern kit seemed right.",
            created_at=now - DAY - 2 * HOUR,
        )
    )


def _contexts(service: Service, now: int) -> None:
    service.contexts.keep(
        Context(
            id=DESK,
            name="Museum desk",
            prompt=DESK_PROMPT,
            opening_text=DESK_OPENING,
            created_at=now - 9 * DAY,
            updated_at=now - 9 * DAY,
        )
    )
    service.contexts.keep(
        Context(
            id=GUIDE,
            name="Museum shop guide",
            prompt=GUIDE_PROMPT,
            opening_text=GUIDE_OPENING,
            links=(
                {
                    "url": "https://museum.example/shop",
                    "faq": "Where can I order? Online, or at the shop's counter.",
                    "id": identifier("past: link"),
                },
            ),
            created_at=now - 8 * DAY,
            updated_at=now - 3 * DAY,
        )
    )


def _sessions(now: int) -> tuple[Session, ...]:
    """Return the past sessions as the account stores them, oldest first."""
    return (
        _past_session(
            "the first try", now - 6 * DAY, 60, "MAX_DURATION_REACHED", avatar_id=SANDBOX_AVATAR, is_sandbox=True
        ),
        _past_session(
            "the announcement", now - 5 * DAY - 3 * HOUR, 95, "USER_DISCONNECTED", avatar_id=avatar_id("Ann")
        ),
        _past_session(
            "the desk's session",
            now - 3 * DAY - HOUR,
            360,
            "IDLE_TIMEOUT",
            avatar_id=avatar_id("June"),
            mode="FULL",
            context_id=DESK,
            said=DESK_TALK,
        ),
        _past_session(
            "the long one", now - 2 * DAY - 5 * HOUR, 600, "MAX_DURATION_REACHED", avatar_id=avatar_id("Grace")
        ),
        _past_session(
            "the guide's session",
            now - DAY - 3 * HOUR,
            105,
            "USER_CLOSED",
            avatar_id=avatar_id("Silas"),
            mode="FULL",
            context_id=GUIDE,
            said=GUIDE_TALK,
        ),
        _past_session("the last one", now - 4 * HOUR, 48, "USER_CLOSED", avatar_id=identifier("mine: Elena")),
    )


def _past_session(
    name: str,
    started_at: int,
    seconds: int,
    reason: str,
    *,
    avatar_id: str,
    mode: Mode = "LITE",
    is_sandbox: bool = False,
    context_id: str | None = None,
    said: tuple[Said, ...] = (),
) -> Session:
    ended_at = started_at + seconds * SECOND
    return Session(
        id=identifier(f"past: {name}"),
        # no client holds a token for this session
        token="",
        socket_token="",
        avatar_id=avatar_id,
        mode=mode,
        is_sandbox=is_sandbox,
        has_socket=False,
        context_id=context_id,
        created_at=started_at - BEFORE_START,
        updated_at=ended_at,
        cap=seconds * SECOND,
        started_at=started_at,
        ended_at=ended_at,
        end_reason=reason,
        transcript=[TranscriptLine(role=role, text=text, moment=started_at + at * SECOND) for role, at, text in said],
        past=True,
    )
