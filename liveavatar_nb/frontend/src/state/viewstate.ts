/** The state that LiveView shows: a panel's state, as far as its traits allow. Pure. */
import type { Link } from "../link/link";
import { type PanelState, panelState } from "./state";

export function viewState(link: Link): PanelState {
  const still = link.get("still");
  return {
    ...panelState(link, []),
    avatarId: still?.avatar_id ?? "",
    avatarName: still?.name ?? "",
    problem: link.flight("dismiss_view") ? null : link.get("view_problem"),
    orphans: [],
    elsewhere: [],
    credits: null,
    creditsProblem: null,
    code: "",
    // a view starts nothing
    startBlocked: { words: "", where: null },
  };
}
