// A media.js without a server: the room is there at once, its avatar a figure that moves before a green ground, and a tone.
const WIDTH = 640;
const HEIGHT = 360;
export const GREEN = "#1faa4b";
const RATE = 25;
const TONE_HZ = 440;

class FakeHandle {
  state = "joined";
  reason = null;
  quality = "excellent";
  video = null;
  audio = null;
  microphone = null;
  sent = [];
  slots = new Set();

  constructor() {
    this.canvas = Object.assign(document.createElement("canvas"), { width: WIDTH, height: HEIGHT });
    this.pen = this.canvas.getContext("2d");
    this.ground = GREEN;
    this.draw(0);
    let count = 0;
    this.timer = setInterval(() => this.draw((count += 1)), 1000 / RATE);
    this.video = this.canvas.captureStream(RATE).getVideoTracks()[0];
    this.sound = new AudioContext();
    const output = this.sound.createMediaStreamDestination();
    this.tone = new OscillatorNode(this.sound, { frequency: TONE_HZ });
    this.tone.connect(output);
    this.tone.start();
    this.audio = output.stream.getAudioTracks()[0];
    globalThis.fakeRoom = this;
    setTimeout(() => this.changed(), 0);
  }
  /** A red head whose eye goes across it, in a grey shirt. */
  draw(count) {
    const { pen } = this;
    pen.fillStyle = this.ground;
    pen.fillRect(0, 0, WIDTH, HEIGHT);
    pen.fillStyle = "#777";
    pen.fillRect(200, 260, 240, 100);
    pen.fillStyle = "#c8645a";
    pen.beginPath();
    pen.arc(320, 160, 100, 0, 2 * Math.PI);
    pen.fill();
    pen.fillStyle = "#fff";
    pen.fillRect(250 + ((count * 4) % 120), 140, 20, 20);
  }
  async send(payload) {
    this.sent.push(payload);
  }
  async publishMicrophone(track) {
    this.microphone = track;
    (this.published ??= []).push(track ? track.label : null);
  }
  onChange(slot) {
    this.slots.add(slot);
    return () => this.slots.delete(slot);
  }
  onData() {
    return () => undefined;
  }
  async leave() {
    if (this.sound.state === "closed") return;
    this.end("left");
  }
  /** The room is gone, as at a session's end. */
  end(state) {
    this.state = state;
    clearInterval(this.timer);
    this.video?.stop();
    this.audio?.stop();
    this.video = this.audio = null;
    void this.sound.close();
    this.changed();
  }
  changed() {
    for (const slot of [...this.slots]) slot();
  }
}

export default { join: () => new FakeHandle() };
