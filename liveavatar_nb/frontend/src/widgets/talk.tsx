/** The page of Talk. */
import { TalkTab } from "../components/talk";
import { Note } from "../components/note";
import { TALK_TRAITS } from "../contract";
import type { Link } from "../link/link";
import { widget } from "../link/mount";
import { blockedBy, talkState } from "../state/state";

function Talk({ link }: { link: Link }) {
  const blocked = blockedBy(link);
  return (
    <div class="lv lv-alone">
      <TalkTab
        state={talkState(link)}
        drafts={link.drafts}
        uploads={link.uploads}
        onCommand={(command, args) => link.send(command, args)}
      />
      {blocked ? <Note tone="info" title={`${blocked}.`} detail="This shows how things stood." /> : null}
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

export default widget(Talk, TALK_TRAITS);
