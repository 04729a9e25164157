// The selection of the embedding map: pointer and keys choose points, draw a lasso, move and zoom.
export class MapSelection {
  // `update` takes {hovered, event}, {selected} or {points}.
  constructor(view, update) {
    Object.assign(this, { view, update, tool: "move" });
    this.listenToKeys();
    this.listenToPointer();
  }

  listenToKeys() {
    const { view, update } = this, middle = () => [view.camera.width / 2, view.camera.height / 2];
    const actions = {
      ArrowLeft: () => view.pan(40, 0), ArrowRight: () => view.pan(-40, 0),
      ArrowUp: () => view.pan(0, 40), ArrowDown: () => view.pan(0, -40),
      "+": () => view.zoom(1.3), "=": () => view.zoom(1.3), "-": () => view.zoom(1 / 1.3), 0: () => view.showAll(),
      Enter: () => update({ selected: view.nearest(middle(), 1e6) }), Escape: () => update({ selected: -1 }),
    };
    view.canvas.addEventListener("keydown", (event) => {
      if (!actions[event.key]) return;
      actions[event.key]();
      event.preventDefault();
    });
  }

  listenToPointer() {
    const { view, update } = this, { canvas } = view;
    let start = null, moved = false;
    const end = () => { [start, view.lasso] = [null, null]; view.redraw(); };
    canvas.addEventListener("wheel", (event) => {
      if (document.activeElement !== canvas && !event.ctrlKey) return;
      event.preventDefault();
      view.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0018)), this.position(event));
    }, { passive: false });
    canvas.addEventListener("pointerdown", (event) => {
      [start, moved] = [this.position(event), false];
      if (this.tool === "lasso" || event.shiftKey) view.lasso = [start];
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      const at = this.position(event);
      if (!start) return this.hover(event, view.nearest(at));
      moved = moved || Math.hypot(at[0] - start[0], at[1] - start[1]) > 4;
      if (!moved) return;
      if (view.lasso) view.lasso.push(at);
      else { view.pan(at[0] - start[0], at[1] - start[1]); start = at; }
      this.hover(event, -1);
      view.redraw();
    });
    canvas.addEventListener("pointerup", (event) => {
      if (!moved) update({ selected: view.nearest(this.position(event)) });
      else if (view.lasso) update({ points: view.pointsInside(view.lasso) });
      end();
    });
    canvas.addEventListener("pointercancel", end);
    canvas.addEventListener("pointerleave", (event) => this.hover(event, -1));
  }

  position(event) {
    const box = this.view.canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  hover(event, point) {
    this.update({ hovered: point, event });
    event.stopPropagation();
  }
}
