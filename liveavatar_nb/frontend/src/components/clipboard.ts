/** Copies text; returns false if the host allows neither way. */
export async function copyText(text: string): Promise<boolean> {
  try {
    // missing on pages without a secure context, refused in frames without the permission
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text);
  }
}

function copyBySelection(text: string): boolean {
  const area = document.createElement("textarea");
  area.value = text;
  area.style.cssText = "position:fixed;left:0;top:0;opacity:0";
  area.setAttribute("readonly", "");
  const before = document.activeElement;
  document.body.append(area);
  try {
    area.select();
    return document.execCommand("copy");
  } catch {
    return false;
  } finally {
    area.remove();
    if (before instanceof HTMLElement) before.focus();
  }
}
