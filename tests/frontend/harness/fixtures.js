// Traits by name: every state that there can be.

const FACES = [
  ["Silas", "#e8b592", "#2d2320", "#3b4cca", "#dfe6ff"],
  ["Ann", "#f2c9ac", "#7a3b1d", "#0f766e", "#d9f2ee"],
  ["June", "#c98f6b", "#1d1a1a", "#be185d", "#fde3ef"],
  ["Wayne", "#f0c4a0", "#b88a4a", "#334155", "#e3e8ef"],
  ["Dexter", "#8d5b3f", "#15110f", "#0369a1", "#dbeefb"],
  ["Marianne", "#f4d3bb", "#5b2b16", "#7c3aed", "#ece4fd"],
  ["Rika", "#efc3a0", "#0e0e12", "#b45309", "#fdecd3"],
  ["Bryan", "#e0a880", "#3f2a1e", "#166534", "#dcf3e2"],
  ["Thaddeus", "#b67c58", "#2b2b2b", "#475569", "#e6eaf0"],
  ["José", "#d9a679", "#201a17", "#9f1239", "#fde4e4"],
  ["Zoë", "#f1cbb0", "#8a4b2a", "#0e7490", "#d8f1f6"],
  ["Old campaign", "#e0b08c", "#444444", "#57534e", "#eeecea"],
];

export function face(index) {
  const [, skin, hair, top, ground] = FACES[index % FACES.length];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 480"><rect width="640" height="480" fill="${ground}"/>
<g transform="translate(80,0) scale(4)"><path d="M10 120c0-30 22-42 50-42s50 12 50 42z" fill="${top}"/>
<rect x="50" y="66" width="20" height="22" rx="9" fill="${skin}"/><path d="M32 50c0-24 11-38 28-38s28 14 28 38v6H32z" fill="${hair}"/>
<ellipse cx="60" cy="50" rx="23" ry="28" fill="${skin}"/><path d="M37 42c6-14 38-18 46 0-4-22-14-26-23-26s-20 4-23 26z" fill="${hair}"/>
<circle cx="51" cy="49" r="2.6" fill="#222"/><circle cx="69" cy="49" r="2.6" fill="#222"/><ellipse cx="60" cy="64" rx="7" ry="2" fill="#7c2d33"/></g></svg>`;
}

function avatar(index, changes = {}) {
  return {
    id: `a0000000-0000-4000-8000-${String(index).padStart(12, "0")}`,
    name: FACES[index % FACES.length][0],
    type: "VIDEO",
    status: "ACTIVE",
    mine: false,
    sandbox: false,
    is_expired: false,
    picture: { bytes: true },
    note: null,
    ...changes,
  };
}

const AVATARS = FACES.map((_, index) => avatar(index));
Object.assign(AVATARS[2], { mine: true });
Object.assign(AVATARS[3], { sandbox: true, id: "dd73ea75-1218-4ef3-92ce-606d5f7fbc0a" });
Object.assign(AVATARS[5], { picture: null, name: "Marianne Oberholzer-Whitfield" });
Object.assign(AVATARS[8], { status: "DEPLOYING", mine: true });
Object.assign(AVATARS[9], { status: "FAILED", mine: true, note: "the footage was too short" });
Object.assign(AVATARS[11], { is_expired: true });

const THOUSAND = Array.from({ length: 1000 }, (_, index) =>
  avatar(index, { name: `${FACES[index % FACES.length][0]} ${index + 1}` }),
);

const CODE = `from liveavatar_nb import LiveAvatar

la = LiveAvatar.demo()
with la.start("Silas", max_minutes=10) as session:
    session.wait_until_ended()
`;

const base = {
  widget_id: "w-1",
  avatars: AVATARS,
  catalogue: { state: "ready", problem: null },
  value: AVATARS[0].id,
  avatar: AVATARS[0].id,
  avatar_name: "Silas",
  simulated: true,
  service: "Simulator",
  status: null,
  credits: "99.87",
  credits_problem: null,
  settings: {
    mode: "LITE",
    is_sandbox: false,
    video_quality: "high",
    video_encoding: "H264",
    max_minutes: 10,
  },
  problem: null,
  orphans: [],
  code: CODE,
};

export const STEPS = [
  { name: "token", words: "token", done: true },
  { name: "start", words: "started, billing", done: true },
  { name: "avatar", words: "avatar", done: false },
];

export const session = {
  id: "5e550000-0000-4000-8000-000000000001",
  avatar_id: AVATARS[0].id,
  avatar_name: "Silas",
  mode: "LITE",
  is_sandbox: false,
  state: "connected",
  steps: STEPS.map((step) => ({ ...step, done: true })),
  billing: true,
  elapsed: 134,
  running: true,
  max_seconds: 600,
  cap_at: 1_800_000_000,
  credits_per_minute: 1,
  credits_used: 2.3,
  keep_alive_age: 12,
  degraded: false,
  beat_every: 10,
  unwatched_left: null,
  end_words: null,
  confirmed: false,
};

const ORPHAN = {
  id: "5e550000-0000-4000-8000-000000000009",
  mode: "LITE",
  started: 1_800_000_000,
  minutes: 4.2,
  words: "left over: its kernel died (process 4711)",
};
const real = { simulated: false, service: "api.liveavatar.com" };
const over = { running: false, billing: false, keep_alive_age: null, confirmed: true };
const sandboxed = { ...base.settings, is_sandbox: true };
const wayne = { value: AVATARS[3].id, avatar: AVATARS[3].id, avatar_name: "Wayne" };

export const FIXTURES = {
  empty: { value: "", avatar: "", avatar_name: "" },
  pick: {},
  loading: { avatars: [], catalogue: { state: "loading", problem: null }, value: "", avatar: "", avatar_name: "" },
  failed_catalogue: {
    avatars: [],
    catalogue: {
      state: "failed",
      problem: {
        kind: "connection",
        title: "The service cannot be reached.",
        detail: "api.liveavatar.com: connection refused, 3 attempts.",
        remedy: "Check the network or a proxy, then reload.",
        severity: "error",
        action: null,
      },
    },
    value: "",
    avatar: "",
    avatar_name: "",
  },
  none: { avatars: [], value: "", avatar: "", avatar_name: "" },
  starting: {
    status: {
      ...session, state: "connecting", steps: STEPS, elapsed: 1.2, credits_used: null, keep_alive_age: null,
    },
  },
  live: { status: session },
  real: { ...real, status: session },
  last_minute: { status: { ...session, elapsed: 553, credits_used: 9.2 }, credits: "90.66" },
  sandbox: { ...wayne, settings: sandboxed },
  sandbox_wrong: { settings: sandboxed },
  sandbox_live: {
    ...wayne,
    settings: sandboxed,
    status: {
      ...session,
      avatar_id: AVATARS[3].id,
      avatar_name: "Wayne",
      is_sandbox: true,
      billing: false,
      elapsed: 48,
      max_seconds: 60,
      credits_per_minute: 0,
      credits_used: 0,
    },
  },
  stopping: { status: { ...session, state: "stopping" } },
  ended: {
    status: { ...session, ...over, state: "ended", elapsed: 242, credits_used: 4.1, end_words: "you stopped it" },
    credits: "95.77",
  },
  unconfirmed: {
    ...real,
    status: {
      ...session,
      ...over,
      state: "failed",
      elapsed: 242,
      credits_used: 4.1,
      confirmed: false,
      end_words: "The service did not confirm the stop of session 5e550000 (no answer in time)",
    },
    problem: {
      kind: "StopNotConfirmed",
      title: "The stop was not confirmed",
      detail: "The service did not confirm the stop of session 5e550000 (no answer in time).",
      remedy: "It is tried again until then, and stop() tries at once: at the latest its cap ends it at 14:32:10.",
      severity: "error",
      action: null,
    },
  },
  degraded: { status: { ...session, degraded: true, keep_alive_age: 192 } },
  unwatched: { status: { ...session, unwatched_left: 24 } },
  warnings: {
    ...real,
    status: { ...session, elapsed: 553, degraded: true, keep_alive_age: 192, unwatched_left: 24 },
    orphans: [ORPHAN],
  },
  orphan: { ...real, orphans: [ORPHAN] },
  orphans: { ...real, status: session, orphans: [ORPHAN, { ...ORPHAN, id: "5e550000-0000-4000-8000-000000000010", minutes: 1.1 }] },
  abandoned: {
    status: { ...session, ...over, state: "ended", elapsed: 242, credits_used: 4.1, end_words: "no page showed it for 60 s" },
  },
  concurrency: {
    ...real,
    orphans: [ORPHAN],
    problem: {
      kind: "ConcurrencyLimitError",
      title: "Too many sessions at once",
      detail: "Session concurrency limit reached (POST /v1/sessions/start answered 403).",
      remedy:
        "These run: 1 of left over: its kernel died. stop_orphans() stops those left over, stop_all() every one of the account.",
      severity: "error",
      action: { label: "Stop what is left over", command: "stop_orphans", args: {} },
    },
  },
  failed: {
    status: {
      ...session, ...over, state: "failed", elapsed: 20, credits_used: 0.3, end_words: "the avatar never connected",
    },
  },
  no_credits: {
    credits: "0.40",
    problem: {
      kind: "credits",
      title: "Not enough credits.",
      detail: "A start needs at least 1, this account has 0.40. Nothing was started.",
      remedy: "Add credits, or try the sandbox: free, one minute, avatar Wayne.",
      severity: "error",
      action: { label: "Use the sandbox", command: "configure", args: { is_sandbox: true } },
    },
  },
  credits_unknown: { credits: null, credits_problem: "The service did not say." },
  thousand: { avatars: THOUSAND, value: THOUSAND[0].id, avatar: THOUSAND[0].id, avatar_name: THOUSAND[0].name },
};

export function traits(name) {
  const changes = FIXTURES[name];
  if (!changes) throw new Error(`no fixture ${name}`);
  return structuredClone({ ...base, ...changes });
}
