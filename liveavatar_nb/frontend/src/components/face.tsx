/** An avatar's picture, or its initials on a colour of its own until there is one. */
import { useEffect, useState } from "preact/hooks";
import type { Picture } from "../contract";

export interface PictureSource {
  get(avatarId: string): string | undefined;
  want(avatarId: string): void;
}

interface Props {
  avatarId: string;
  name: string;
  picture: Picture | null;
  pictures: PictureSource;
}

/** A hue derived from the name with FNV-1a, so that similar names get different hues. */
export function hue(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return (hash >>> 0) % 360;
}

function initials(name: string): string {
  const words = name.trim().split(/\s+/);
  const letters = words.length > 1 ? [words[0], words[words.length - 1]] : [words[0]];
  return letters.map((word) => Array.from(word ?? "")[0] ?? "").join("").toUpperCase();
}

/** The address to show; null if there is none yet, or if it is not safe to load. */
export function addressOf(avatarId: string, picture: Picture | null, pictures: PictureSource): string | null {
  if (!picture) return null;
  if ("url" in picture) return /^https?:/i.test(picture.url) ? picture.url : null;
  return pictures.get(avatarId) ?? null;
}

export function Face({ avatarId, name, picture, pictures }: Props) {
  const [broken, setBroken] = useState<string | null>(null);
  const needsBytes = picture !== null && "bytes" in picture;
  useEffect(() => {
    if (needsBytes) pictures.want(avatarId);
  }, [needsBytes, avatarId]);
  const address = addressOf(avatarId, picture, pictures);
  return (
    <span class="lv-face" style={{ "--hue": hue(name || avatarId) }}>
      {address && address !== broken ? (
        <img
          src={address}
          alt=""
          draggable={false}
          decoding="async"
          loading={needsBytes ? "eager" : "lazy"}
          referrerpolicy="no-referrer"
          onError={() => setBroken(address)}
        />
      ) : (
        <span class="lv-initials" aria-hidden="true">
          {initials(name)}
        </span>
      )}
    </span>
  );
}
