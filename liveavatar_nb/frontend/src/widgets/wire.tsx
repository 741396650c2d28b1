/** The page of WireLog. */
import { WireTab } from "../components/wire";
import { Note } from "../components/note";
import type { Link } from "../link/link";
import { widget } from "../link/mount";
import { blockedBy } from "../state/state";

function Wire({ link }: { link: Link }) {
  const blocked = blockedBy(link);
  return (
    <div class="lv lv-alone">
      <WireTab wire={link.wire} usable={blocked === ""} onCommand={(command, args) => link.send(command, args)} />
      {blocked ? <Note tone="info" title={`${blocked}.`} detail="The log shows how it stood." /> : null}
    </div>
  );
}

export default widget(Wire, []);
