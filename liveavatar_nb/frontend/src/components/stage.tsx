/** The picked avatar, still and large, and the words that it says. */
import { UserRound } from "lucide-preact";
import type { Picture } from "../contract";
import type { PanelState } from "../state";
import { Face, type PictureSource } from "./face";
import { Pill } from "./pill";

interface Props {
  state: PanelState;
  avatarId: string;
  name: string;
  picture: Picture | null;
  pictures: PictureSource;
}

export function Stage({ state, avatarId, name, picture, pictures }: Props) {
  const { caption } = state.speaking;
  return (
    <div class={`lv-stage lv-stage-${state.status}`}>
      {avatarId ? (
        <>
          <Face key={avatarId} avatarId={avatarId} name={name} picture={picture} pictures={pictures} wanted />
          {caption ? <p class="lv-said">{caption}</p> : <span class="lv-caption lv-cut">{name}</span>}
        </>
      ) : (
        <div class="lv-stage-empty">
          <UserRound size={44} strokeWidth={1.25} aria-hidden="true" />
          <strong>Pick an avatar to begin</strong>
          <span>Nothing runs and nothing is billed until you press Start.</span>
        </div>
      )}
      <span class="lv-pills">
        <Pill state={state} />
      </span>
    </div>
  );
}
