/* A page that is opened from the disk may start no worker, and the theme searches in one. There, a
 * hidden frame does a worker's job: it loads the worker's script, and messages go in and out.
 * The theme looks for a file of this name before it fetches one from elsewhere. */
"use strict";

if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(address) {
      super();
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      this.frame.srcdoc = "<!doctype html><title>search</title>";
      const loaded = new Promise((done) => this.frame.addEventListener("load", done, { once: true }));
      this.ready = loaded.then(() => this.begin(new URL(address, document.baseURI)));
      document.body.append(this.frame);
    }

    begin(address) {
      const inside = this.frame.contentWindow;
      const add = (script) =>
        new Promise((done, failed) => {
          const element = inside.document.createElement("script");
          element.src = script;
          element.addEventListener("load", done);
          element.addEventListener("error", () => failed(new Error(`${script}: not loaded`)));
          inside.document.body.append(element);
        });
      inside.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
      inside.importScripts = (...scripts) =>
        scripts.reduce((before, script) => before.then(() => add(script)), Promise.resolve());
      return add(address);
    }

    postMessage(data) {
      this.ready.then(() =>
        this.frame.contentWindow.dispatchEvent(new MessageEvent("message", { data })));
    }

    terminate() {
      this.frame.remove();
    }
  };
}
