/** Colours for the key: how blue and how red, regardless of brightness. Pure. */

/** Red, green and blue, 0 to 1. */
export type Colour = readonly [number, number, number];

/** A green screen's green, the default. */
export const GREEN: Colour = [0, 0.69, 0.25];

export function fromHex(hex: string): Colour {
  const value = Number.parseInt(hex.slice(1), 16);
  return [(value >> 16) / 255, ((value >> 8) & 255) / 255, (value & 255) / 255];
}

export function toHex(colour: Colour): string {
  return `#${colour.map((channel) => Math.round(channel * 255).toString(16).padStart(2, "0")).join("")}`;
}

/** Cb and Cr of BT.709, each -0.5 to 0.5; grey of any brightness is 0, 0. The shader has the same. */
export function chroma([red, green, blue]: Colour): readonly [number, number] {
  return [
    -0.1146 * red - 0.3854 * green + 0.5 * blue,
    0.5 * red - 0.4542 * green - 0.0458 * blue,
  ];
}

/** The least chroma of a background, and the largest chroma difference between its patches. */
const COLOURFUL = 0.08;
const ALIKE = 0.08;

/** The colour on which at least half of the patches agree; null if there is no plain, colourful background. */
export function groundOf(patches: readonly Colour[]): Colour | null {
  const coloured = patches.filter((patch) => Math.hypot(...chroma(patch)) >= COLOURFUL);
  let best: Colour[] = [];
  for (const patch of coloured) {
    const [blue, red] = chroma(patch);
    const alike = coloured.filter((other) => {
      const [otherBlue, otherRed] = chroma(other);
      return Math.hypot(blue - otherBlue, red - otherRed) <= ALIKE;
    });
    if (alike.length > best.length) best = alike;
  }
  if (best.length * 2 < patches.length || best.length === 0) return null;
  const mean = (index: 0 | 1 | 2): number => best.reduce((sum, colour) => sum + colour[index], 0) / best.length;
  return [mean(0), mean(1), mean(2)];
}
