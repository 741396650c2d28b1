/** The page of AvatarPicker. */
import { useState } from "preact/hooks";
import { Gallery } from "../components/gallery";
import { Note } from "../components/note";
import { PICKER_TRAITS } from "../contract";
import type { Link } from "../link/link";
import { widget } from "../link/mount";
import { blockedBy, pickedId } from "../state/state";

function Picker({ link }: { link: Link }) {
  const [sandbox, setSandbox] = useState(false);
  const blocked = blockedBy(link);
  return (
    <div class="lv lv-picker">
      <Gallery
        avatars={link.get("avatars")}
        catalogue={link.get("catalogue")}
        value={pickedId(link, "value")}
        sandbox={sandbox}
        usable={blocked === ""}
        pictures={link.pictures}
        onPick={(avatar_id) => link.send("pick", { avatar_id })}
        onSandbox={setSandbox}
        onReload={() => link.send("reload", {})}
      />
      {blocked ? <Note tone="info" title={`${blocked}.`} detail="The gallery shows how it stood." /> : null}
      {link.waiting ? (
        <Note
          tone="info"
          title="Waiting for the running cell:"
          detail="in this host a click reaches the kernel when the cell ends."
        />
      ) : null}
    </div>
  );
}

export default widget(Picker, PICKER_TRAITS);
