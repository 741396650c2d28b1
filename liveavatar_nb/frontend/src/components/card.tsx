/** One avatar in the gallery. */
import { UserRound } from "lucide-preact";
import { Component } from "preact";
import type { Avatar } from "../contract";
import { isPickable, whyNot } from "../words";
import { Face, type PictureSource } from "./face";

interface Props {
  avatar: Avatar;
  picked: boolean;
  tabbable: boolean;
  usable: boolean;
  /** The card's position, counted from 0, and the number of cards. */
  index: number;
  total: number;
  /** The place in the grid, counted from 1; undefined until the grid is measured. */
  row: number | undefined;
  column: number | undefined;
  /** The picture's blob: address; a prop, so that its arrival redraws only this card. */
  address: string | undefined;
  pictures: PictureSource;
  onClick: (avatar: Avatar) => void;
}

export class Card extends Component<Props> {
  // Among many cards, redraw only those that changed. The click handler never does.
  override shouldComponentUpdate(next: Props): boolean {
    const { avatar, picked, tabbable, usable, index, total, row, column, address } = this.props;
    return (
      avatar !== next.avatar ||
      picked !== next.picked ||
      tabbable !== next.tabbable ||
      usable !== next.usable ||
      index !== next.index ||
      total !== next.total ||
      row !== next.row ||
      column !== next.column ||
      address !== next.address
    );
  }

  override render({ avatar, picked, tabbable, usable, index, total, row, column, pictures, onClick }: Props) {
    const why = whyNot(avatar);
    const off = !usable || !isPickable(avatar);
    const words = [why, avatar.error_message ?? ""].filter(Boolean).join(": ");
    return (
      <div
        data-avatar={avatar.id}
        role="option"
        class={`lv-card${why ? " lv-off" : ""}`}
        style={{ gridRow: row, gridColumn: column }}
        aria-selected={picked}
        aria-posinset={index + 1}
        aria-setsize={total}
        aria-disabled={off ? true : undefined}
        tabIndex={tabbable ? 0 : -1}
        title={words ? `${avatar.name}: ${words}` : avatar.name}
        onClick={() => onClick(avatar)}
      >
        <Face avatarId={avatar.id} name={avatar.name} picture={avatar.picture} pictures={pictures} />
        {why ? <span class="lv-badge">{why}</span> : avatar.sandbox ? <span class="lv-badge">sandbox</span> : null}
        <span class="lv-name">
          <span class="lv-cut">{avatar.name}</span>
          {avatar.mine ? (
            <span class="lv-whose" title="mine">
              <UserRound size={13} aria-hidden="true" />
              <span class="lv-sr">mine</span>
            </span>
          ) : null}
        </span>
      </div>
    );
  }
}
