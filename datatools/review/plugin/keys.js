// Keys of the review: an operator in Python cannot have one. They come before FiftyOne's own, and rest while one types.
(function () {
  "use strict";
  const OPERATORS = { a: "accept", k: "keep", r: "choose", x: "exclude", e: "ask", u: "undo" };
  const BUSY_MS = 5000; // longer than any decision takes: a lost answer must not lock the keys
  const STYLE = "margin:auto;border:1px solid #888;border-radius:6px;padding:12px;background:#222;color:#eee;min-width:16em;font:15px sans-serif";
  let busyUntil = 0;

  function isTyping(element) {
    return Boolean(element && (element.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(element.tagName)));
  }

  function isAsking() {
    return Boolean(document.querySelector("dialog[open], .MuiDialog-root, .MuiPopover-root"));
  }

  function run(name, params) {
    busyUntil = Date.now() + BUSY_MS;
    const callback = (answer) => {
      busyUntil = 0;
      const classes = answer && answer.result && answer.result.classes;
      if (classes) choose(classes);
    };
    window.__foo__.executeOperator("@datatools/review/" + name, params, { callback });
  }

  // A list of the classes: typing narrows it, the arrows move, Enter takes, Escape leaves.
  function choose(classes) {
    const dialog = document.createElement("dialog");
    const input = document.createElement("input");
    const list = document.createElement("ul");
    let found = classes;
    let chosen = 0;
    dialog.style.cssText = STYLE;
    dialog.setAttribute("aria-label", "Relabel to");
    input.placeholder = "Relabel to ...";
    input.style.cssText = "width:100%;box-sizing:border-box;font:inherit;padding:4px";
    list.style.cssText = "list-style:none;margin:8px 0 0;padding:0;max-height:50vh;overflow:auto";

    function draw() {
      const text = input.value.trim().toLowerCase();
      const starts = classes.filter((name) => name.toLowerCase().startsWith(text));
      found = starts.concat(classes.filter((name) => !starts.includes(name) && name.toLowerCase().includes(text)));
      chosen = Math.min(chosen, Math.max(0, found.length - 1));
      list.replaceChildren(...found.map((name, number) => {
        const item = document.createElement("li");
        item.textContent = name;
        item.style.cssText = "padding:4px 8px;cursor:pointer;" + (number === chosen ? "background:#c2410c" : "");
        item.addEventListener("click", () => take(name));
        return item;
      }));
      if (list.children[chosen]) list.children[chosen].scrollIntoView({ block: "nearest" });
    }

    function take(name) {
      dialog.close();
      if (name !== undefined) run("relabel", { label: name });
    }

    dialog.addEventListener("keydown", (event) => {
      event.stopPropagation(); // Escape and the arrows mean something else to the image below
      if (event.key === "Enter") take(found[chosen]);
      if (event.key === "Escape") dialog.close();
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        chosen = (chosen + (event.key === "ArrowDown" ? 1 : found.length - 1)) % Math.max(1, found.length);
        event.preventDefault();
        draw();
      }
    });
    input.addEventListener("input", () => { chosen = 0; draw(); });
    dialog.addEventListener("close", () => dialog.remove());
    dialog.append(input, list);
    document.body.append(dialog);
    draw();
    dialog.showModal();
    input.focus();
  }

  function onKey(event) {
    const name = OPERATORS[event.key];
    if (!name || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || isAsking()) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (!event.repeat && Date.now() >= busyUntil) run(name, {});
  }

  window.addEventListener("keydown", onKey, true);
})();
