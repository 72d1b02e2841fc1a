// ---- what was done for an answer: several views of one trace, of which one is shown ---------------------------------

// Each has an id, a title, whether it has something to show, and what it shows; the first that has is shown first.
const traceViews = [treeView, timeLineView];
let numTraces = 0;

function traceTab(view, id) {
  const tab = element("button", view.title), panel = element("div", null, "trace-panel");
  tab.type = "button";
  tab.id = `${id}-${view.id}-tab`;
  panel.id = `${id}-${view.id}`;
  tab.setAttribute("role", "tab");
  tab.setAttribute("aria-controls", panel.id);
  panel.setAttribute("role", "tabpanel");
  panel.setAttribute("aria-labelledby", tab.id);
  return { view, tab, panel, isFilled: false };
}

// The views that have something: one with its title above, several behind tabs, each drawn when it is first asked for.
function trace(detail, strings, width) {
  const views = traceViews.filter((view) => view.has(detail));
  if (views.length < 2) return views.flatMap((view) => [element("h3", view.title), ...view.show(detail, strings, width)]);
  const id = `trace-${(numTraces += 1)}`, tabs = views.map((view) => traceTab(view, id)), list = element("div", null, "tabs");
  const select = (wanted) => {
    for (const one of tabs) {
      const isWanted = one === wanted;
      one.tab.setAttribute("aria-selected", String(isWanted));
      one.tab.tabIndex = isWanted ? 0 : -1;
      one.panel.hidden = !isWanted;
    }
    if (wanted.isFilled) return;
    wanted.isFilled = true;
    wanted.panel.append(...wanted.view.show(detail, strings, width));
  };
  tabs.forEach((one) => one.tab.addEventListener("click", () => select(one)));
  list.setAttribute("role", "tablist");
  list.setAttribute("aria-label", "Views of what was done");
  list.append(...tabs.map((one) => one.tab));
  list.addEventListener("keydown", (event) => {
    const now = tabs.findIndex((one) => one.tab.tabIndex === 0), last = tabs.length - 1;
    const next = { ArrowRight: now === last ? 0 : now + 1, ArrowLeft: now === 0 ? last : now - 1, Home: 0, End: last }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    select(tabs[next]);
    tabs[next].tab.focus();
  });
  select(tabs[0]);
  return [element("h3", "What was done"), list, ...tabs.map((one) => one.panel)];
}
