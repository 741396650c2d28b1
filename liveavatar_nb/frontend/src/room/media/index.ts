/**
 * media.js: livekit-client and the code that uses it, in a separate module, because a page without a room does not need
 * it. Python sends it in answer to the command `library`.
 */
import {
  ConnectionError,
  ConnectionErrorReason,
  ConnectionQuality,
  DefaultReconnectPolicy,
  DisconnectReason,
  getLogger,
  type LocalTrackPublication,
  LoggerNames,
  LogLevel,
  type RemoteParticipant,
  Room,
  RoomEvent,
  Track,
} from "livekit-client";
import type { RoomNews } from "../../contract";
import { answers } from "./reach";
import type { MediaLibrary, Quality, RoomHandle } from "./types";

// Its log lines contain addresses and tokens. Change the default level, because a level that is set stays in the
// browser's storage.
for (const name of Object.values(LoggerNames)) getLogger(name).setDefaultLevel(LogLevel.silent);

/** The avatar's identity in a room that LiveAvatar hosts. */
const HOSTED_AVATAR = "heygen";
const CONTROL_TOPIC = "agent-control";
/** The time limit for each step of joining, in milliseconds. */
const STEP_LIMIT_MS = 15_000;
/** Delays between attempts to reconnect; about half a minute in total. */
const RETRIES_MS = [0, 300, 600, 1000, 2000, 3000, 4000, 5000, 5000, 5000, 5000];

const QUALITY: Record<ConnectionQuality, Quality> = {
  [ConnectionQuality.Excellent]: "excellent",
  [ConnectionQuality.Good]: "good",
  [ConnectionQuality.Poor]: "poor",
  [ConnectionQuality.Lost]: "lost",
  [ConnectionQuality.Unknown]: "unknown",
};

class Joined implements RoomHandle {
  state: RoomNews["state"] = "joining";
  reason: string | null = null;
  video: MediaStreamTrack | null = null;
  audio: MediaStreamTrack | null = null;
  private microphone: LocalTrackPublication | null = null;
  private publishing: Promise<void> = Promise.resolve();
  private hasSignal = false;
  private isLeaving = false;
  private readonly changeSlots = new Set<() => void>();
  private readonly dataSlots = new Set<(topic: string, payload: string) => void>();
  private readonly room = new Room({
    disconnectOnPageLeave: false,
    stopLocalTrackOnUnpublish: false,
    reconnectPolicy: new DefaultReconnectPolicy(RETRIES_MS),
  });
  private readonly host: string;

  constructor(
    private readonly address: string,
    token: string,
    private readonly avatarIdentity: string,
  ) {
    this.host = new URL(address).host;
    this.listen();
    void this.connect(token);
  }

  get quality(): Quality {
    return QUALITY[this.room.localParticipant.connectionQuality] ?? "unknown";
  }

  async send(payload: string): Promise<void> {
    if (this.state !== "joined") throw new Error("the page is not in the room");
    const bytes = new TextEncoder().encode(payload);
    await this.room.localParticipant.publishData(bytes, { reliable: true, topic: CONTROL_TOPIC });
  }

  /** Publishes and unpublishes one at a time: a track withdrawn while being published is unpublished afterwards. */
  publishMicrophone(track: MediaStreamTrack | null): Promise<void> {
    const turn = this.publishing.then(() => this.putMicrophone(track));
    this.publishing = turn.catch(() => undefined);
    return turn;
  }

  onChange(slot: () => void): () => void {
    this.changeSlots.add(slot);
    return () => this.changeSlots.delete(slot);
  }

  onData(slot: (topic: string, payload: string) => void): () => void {
    this.dataSlots.add(slot);
    return () => this.dataSlots.delete(slot);
  }

  async leave(): Promise<void> {
    this.isLeaving = true;
    await this.room.disconnect();
    this.end("left", null);
  }

  private async putMicrophone(track: MediaStreamTrack | null): Promise<void> {
    const participant = this.room.localParticipant;
    if (this.microphone?.track?.mediaStreamTrack === track) return;
    const { microphone } = this;
    this.microphone = null;
    if (microphone?.track) await participant.unpublishTrack(microphone.track, false);
    if (track) this.microphone = await participant.publishTrack(track, { source: Track.Source.Microphone });
  }

  private listen(): void {
    const { room } = this;
    const update = (): void => this.updateTracks();
    for (const event of [
      RoomEvent.ParticipantConnected,
      RoomEvent.ParticipantDisconnected,
      RoomEvent.TrackSubscribed,
      RoomEvent.TrackUnsubscribed,
    ] as const) {
      room.on(event, update);
    }
    room.on(RoomEvent.ConnectionQualityChanged, (_, participant) => {
      if (participant.isLocal) this.notify();
    });
    room.on(RoomEvent.SignalConnected, () => {
      this.hasSignal = true;
    });
    room.on(RoomEvent.SignalReconnecting, () => this.reconnecting());
    room.on(RoomEvent.Reconnecting, () => this.reconnecting());
    room.on(RoomEvent.Reconnected, () => {
      if (this.state !== "reconnecting") return;
      this.state = "joined";
      this.updateTracks();
    });
    room.on(RoomEvent.Disconnected, (reason) => this.onDisconnected(reason));
    room.on(RoomEvent.DataReceived, (payload, _, __, topic) => {
      const text = new TextDecoder().decode(payload);
      for (const slot of this.dataSlots) slot(topic ?? "", text);
    });
  }

  private async connect(token: string): Promise<void> {
    const { address } = this;
    if (!(await answers(address))) {
      this.end("unreachable", unreachableWords(address));
      return;
    }
    if (this.isLeaving) return;
    try {
      await this.room.connect(address, token, {
        maxRetries: 0,
        websocketTimeout: STEP_LIMIT_MS,
        peerConnectionTimeout: STEP_LIMIT_MS,
      });
    } catch (error) {
      this.end("unreachable", this.failureWords(error));
      return;
    }
    if (this.state !== "joining") return;
    this.state = "joined";
    this.updateTracks();
  }

  private reconnecting(): void {
    if (this.state !== "joined") return;
    this.state = "reconnecting";
    this.notify();
  }

  private onDisconnected(reason: DisconnectReason | undefined): void {
    // the join itself reports failures while joining
    if (this.isLeaving || this.state === "joining") return;
    switch (reason) {
      case DisconnectReason.DUPLICATE_IDENTITY:
        this.end("replaced", "The room was joined with this session's token elsewhere, another tab perhaps.");
        break;
      case DisconnectReason.PARTICIPANT_REMOVED:
        this.end("left", "This page was removed from the room.");
        break;
      case DisconnectReason.ROOM_DELETED:
      case DisconnectReason.ROOM_CLOSED:
        this.end("left", "The room was closed.");
        break;
      default:
        this.end("unreachable", `The connection to the room at ${this.host} was lost.`);
    }
  }

  private failureWords(error: unknown): string {
    if (error instanceof ConnectionError && error.reason === ConnectionErrorReason.NotAllowed) {
      return "The room refused this session's token: it is used up, or for another room.";
    }
    return this.hasSignal
      ? `The room at ${this.host} answers, but video does not come through: a firewall may hold it back.`
      : unreachableWords(this.address);
  }

  /** Finds the avatar and its tracks. */
  private updateTracks(): void {
    const avatar = this.avatar();
    this.video = trackOf(avatar, Track.Kind.Video);
    this.audio = trackOf(avatar, Track.Kind.Audio);
    this.notify();
  }

  /**
   * Returns the avatar. In a hosted room that is anyone with video, in case the service changes the identity. In the
   * user's own room others may show video, too.
   */
  private avatar(): RemoteParticipant | undefined {
    const { remoteParticipants: others } = this.room;
    const named = others.get(this.avatarIdentity);
    if (named || this.avatarIdentity !== HOSTED_AVATAR) return named;
    return [...others.values()].find((participant) => trackOf(participant, Track.Kind.Video) !== null);
  }

  private end(state: RoomNews["state"], reason: string | null): void {
    this.state = state;
    this.reason = reason;
    this.video = this.audio = null;
    this.notify();
    this.changeSlots.clear();
    this.dataSlots.clear();
  }

  private notify(): void {
    for (const slot of [...this.changeSlots]) slot();
  }
}

function trackOf(participant: RemoteParticipant | undefined, kind: Track.Kind): MediaStreamTrack | null {
  for (const publication of participant?.trackPublications.values() ?? []) {
    if (publication.kind === kind && publication.track) return publication.track.mediaStreamTrack;
  }
  return null;
}

function unreachableWords(address: string): string {
  const { host } = new URL(address);
  if (location.protocol === "https:" && address.startsWith("ws:")) {
    return `This page came by https, so the browser may not open the room at ${host}, which has none.`;
  }
  // browsers let only secure pages reach a network that is more private than the page's own
  return isSecureContext
    ? `This browser cannot reach the room at ${host}: it is in another network, or behind a firewall.`
    : `This browser cannot reach the room at ${host}: it is in another network, behind a firewall, or kept from this page, which came without https.`;
}

// a browser's first connection takes longer than later ones, so make it before a room has to be joined
if ("RTCPeerConnection" in globalThis) new RTCPeerConnection().close();

const library: MediaLibrary = {
  join: (address, token, avatarIdentity) => new Joined(address, token, avatarIdentity),
};
export default library;
