/** A chroma key in WebGL: replaces pixels near the key colour with the background. */
import type { Colour } from "./colours";

/** Values are fractions of the distance from the key to grey, so that they suit pale and strong keys alike. */
export interface Key {
  colour: Colour;
  /** Pixels nearer than this are removed. */
  similarity: number;
  /** The width of the soft edge beyond that. */
  smoothness: number;
  /** How much of the key's colour cast is removed from the rest, 0 to 1. */
  spill: number;
}

/** The background; null is transparent. */
export type Behind = Colour | HTMLCanvasElement | null;

const VERTEX = `#version 300 es
out vec2 at;
void main() {
  at = vec2((gl_VertexID << 1) & 2, gl_VertexID & 2);
  gl_Position = vec4(at * 2.0 - 1.0, 0.0, 1.0);
}`;

// Removes pixels that match the key, by themselves or averaged with their neighbours, which suppresses noise. Subtracts
// the key from partly removed pixels, and its colour cast from the rest.
const FRAGMENT = `#version 300 es
precision highp float;
in vec2 at;
out vec4 result;
uniform sampler2D frame;
uniform sampler2D picture;
uniform vec2 texel;
uniform vec3 key;
uniform vec3 strength;
uniform vec4 behind;
uniform vec2 cover;
uniform float pictured;
vec2 chroma(vec3 colour) {
  return vec2(dot(colour, vec3(-0.1146, -0.3854, 0.5)), dot(colour, vec3(0.5, -0.4542, -0.0458)));
}
vec2 look(float x, float y) {
  return chroma(texture(frame, at + texel * vec2(x, y)).rgb);
}
void main() {
  vec3 colour = texture(frame, at).rgb;
  vec2 own = chroma(colour);
  vec2 around = (own + look(1.0, 1.0) + look(1.0, -1.0) + look(-1.0, 1.0) + look(-1.0, -1.0)) / 5.0;
  vec2 out_of = chroma(key);
  float reach = max(length(out_of), 0.04);
  float far = min(distance(own, out_of), distance(around, out_of)) / reach;
  float stays = smoothstep(strength.x, strength.x + strength.y, far);
  vec3 rest = clamp((colour - (1.0 - stays) * key) / max(stays, 0.02), 0.0, 1.0);
  vec2 tint = chroma(rest);
  float shine = max(0.0, dot(tint, out_of / reach)) * (1.0 - smoothstep(0.7, 1.2, distance(tint, out_of) / reach));
  tint -= out_of / reach * shine * strength.z;
  float luma = dot(rest, vec3(0.2126, 0.7152, 0.0722));
  vec3 kept = luma + vec3(1.5748 * tint.y, -0.1873 * tint.x - 0.4681 * tint.y, 1.8556 * tint.x);
  vec4 ground = mix(behind, vec4(texture(picture, (at - 0.5) * cover + 0.5).rgb, 1.0), pictured);
  result = vec4(clamp(kept, 0.0, 1.0) * stays, stays) + ground * (1.0 - stays);
}`;

const UNIFORMS = ["frame", "picture", "texel", "key", "strength", "behind", "cover", "pictured"] as const;
type Places = Record<(typeof UNIFORMS)[number], WebGLUniformLocation | null>;

export class NoWebGL extends Error {}

export class Keyer {
  readonly canvas = document.createElement("canvas");
  private readonly gl: WebGL2RenderingContext;
  private places!: Places;
  private shownPicture: HTMLCanvasElement | null = null;

  /** Throws NoWebGL. */
  constructor() {
    const gl = this.canvas.getContext("webgl2", { antialias: false, depth: false });
    if (!gl) throw new NoWebGL();
    this.gl = gl;
    // a lost context can be restored only if the default is prevented
    this.canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
    this.canvas.addEventListener("webglcontextrestored", () => this.build());
    this.build();
  }

  /** Draws a frame of this size in pixels. */
  draw(frame: TexImageSource, width: number, height: number, key: Key, behind: Behind): void {
    const { gl, places, canvas } = this;
    if (gl.isContextLost()) return;
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
      gl.viewport(0, 0, width, height);
    }
    gl.activeTexture(gl.TEXTURE0);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, frame);
    gl.uniform2f(places.texel, 1 / width, 1 / height);
    gl.uniform3f(places.key, ...key.colour);
    gl.uniform3f(places.strength, key.similarity, Math.max(0.001, key.smoothness), key.spill);
    gl.uniform1f(places.pictured, behind instanceof HTMLCanvasElement ? 1 : 0);
    if (behind instanceof HTMLCanvasElement) this.usePicture(behind, width / height);
    else if (behind) gl.uniform4f(places.behind, ...behind, 1);
    else gl.uniform4f(places.behind, 0, 0, 0, 0);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  close(): void {
    // a browser allows only a few such contexts
    this.gl.getExtension("WEBGL_lose_context")?.loseContext();
  }

  /** Scales the picture to fill the frame, cropped equally on both sides. */
  private usePicture(picture: HTMLCanvasElement, aspect: number): void {
    const { gl, places } = this;
    if (this.shownPicture !== picture) {
      gl.activeTexture(gl.TEXTURE1);
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, picture);
      this.shownPicture = picture;
    }
    const own = picture.width / picture.height;
    gl.uniform2f(places.cover, Math.min(1, aspect / own), Math.min(1, own / aspect));
  }

  private build(): void {
    const { gl } = this;
    const program = gl.createProgram();
    for (const [type, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]] as const) {
      const shader = gl.createShader(type);
      if (!shader) return;
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    gl.useProgram(program);
    const place = (name: string): WebGLUniformLocation | null => gl.getUniformLocation(program, name);
    this.places = Object.fromEntries(UNIFORMS.map((name) => [name, place(name)])) as Places;
    for (const unit of [gl.TEXTURE0, gl.TEXTURE1]) {
      gl.activeTexture(unit);
      gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
      gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR);
      gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE);
      gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE);
    }
    gl.pixelStorei(gl.UNPACK_FLIP_Y_WEBGL, true);
    gl.uniform1i(this.places.frame, 0);
    gl.uniform1i(this.places.picture, 1);
    gl.viewport(0, 0, this.canvas.width, this.canvas.height);
    this.shownPicture = null;
  }
}
