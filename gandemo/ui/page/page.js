// What the page's own components share. Text from the server is always set as text, never parsed as HTML.
window.gandemo = (() => {
  const still = matchMedia("(prefers-reduced-motion: reduce)");

  // An element: make("p", { class: "note" }, "text", child)
  function make(tag, attributes = {}, ...children) {
    const svg = ["svg", "path", "rect"].includes(tag);
    const element = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
    for (const [key, value] of Object.entries(attributes)) {
      if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
      else if (typeof value === "boolean") element.toggleAttribute(key, value);
      else if (value !== null && value !== undefined) element.setAttribute(key, value);
    }
    element.append(...children.flat().filter((child) => child !== null && child !== undefined));
    return element;
  }

  // A decoded picture, so that showing it can't flicker.
  async function picture(url) {
    const image = new Image();
    image.src = url;
    await image.decode();
    return image;
  }

  // The width in CSS pixels at which each picture element covers a whole number of screen pixels, if that is not
  // much smaller than what there is.
  function crispWidth(natural, available, tallest = Infinity, aspect = 1) {
    const ratio = window.devicePixelRatio || 1;
    const fit = Math.min(available, tallest / aspect);
    const scale = (fit * ratio) / natural;
    const whole = Math.floor(scale);
    return ratio >= 2 || whole / scale < 0.75 || scale >= 5 ? fit : (whole * natural) / ratio;
  }

  function percent(share) {
    if (share > 0 && share < 0.005) return "<1 %";
    if (share < 1 && share > 0.995) return ">99 %";
    return `${Math.round(100 * share)} %`;
  }

  // From orange (fake) over yellow to teal (real): told apart with every kind of colour vision.
  const SCALE = [[213, 94, 0], [240, 200, 66], [0, 150, 136]];
  function shade(share) {
    const place = Math.max(0, Math.min(1, share)) * 2;
    const low = Math.min(1, Math.floor(place));
    const mix = SCALE[low].map((value, i) => Math.round(value + (SCALE[low + 1][i] - value) * (place - low)));
    return `rgb(${mix.join(" ")})`;
  }

  function bar(share, label) {
    const fill = make("span", { class: "gd-bar-fill" });
    fill.style.width = `${Math.max(1.5, 100 * share)}%`;
    fill.style.background = shade(share);
    return make("span", { class: "gd-bar", role: "img", "aria-label": label }, fill);
  }

  // What the discriminator says of one picture: { probability, as, says, why, classes: [{ name, probability }] }
  function verdict(data) {
    if (data.probability === null) return make("p", { class: "gd-note" }, data.why);
    const sure = percent(data.probability);
    const parts = [
      make("p", { class: "gd-verdict" }, make("strong", {}, `${sure} real`), ` ${data.says}`),
      bar(data.probability, `${sure} real`),
    ];
    if (data.classes.length) {
      parts.push(
        make("p", { class: "gd-note" }, "Real, if it is meant to be:"),
        make("ol", { class: "gd-classes" }, data.classes.map((one) =>
          make("li", { class: one.name === data.as ? "gd-best" : "" },
            make("span", { class: "gd-class-name" }, one.name),
            bar(one.probability, `${one.name}: ${percent(one.probability)} real`),
            make("span", { class: "gd-class-share", "aria-hidden": "true" }, percent(one.probability))))),
      );
    }
    return make("div", { class: "gd-verdict-box" }, parts);
  }

  // Measured figures: { columns: [name], rows: [{ name, help, values: [text], best: index or -1 }], notes: [text] }
  function figures(data) {
    const parts = [];
    if (data.rows.length) {
      parts.push(make("table", { class: "gd-figures" },
        make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "Measured"),
          data.columns.map((name) => make("th", { scope: "col" }, name)))),
        make("tbody", {}, data.rows.map((row) =>
          make("tr", {},
            make("th", { scope: "row" }, row.name, make("small", {}, row.help)),
            row.values.map((value, i) => make("td", { class: i === row.best ? "gd-best" : "" }, value)))))));
    }
    parts.push(...data.notes.map((text) => make("p", { class: "gd-note" }, text)));
    return make("div", {}, parts);
  }

  // Calls back once, when the element first comes into view.
  function whenSeen(element, callback) {
    const observer = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      observer.disconnect();
      callback();
    }, { rootMargin: "120px" });
    observer.observe(element);
  }

  function busy(id, on) {
    document.getElementById(id)?.classList.toggle("gd-busy", on);
  }

  // A slider's value in words, for the eye and for a screen reader.
  function sliderSays(slider, words) {
    slider.setAttribute("aria-valuetext", words);
    slider.closest("label").querySelector(".gd-value").textContent = words;
  }

  // Why a file did not arrive: what the server said, as a sentence.
  function notSent(name, error) {
    const said = String(error?.message || "").replace(/^HTTP \d+: */, "") || "Try again";
    return `${name} could not be sent. ${said}${/[.!?]$/.test(said) ? "" : "."}`;
  }

  // A word from one part of the page to another, with what belongs to it.
  function tell(id, what, detail = null) {
    document.getElementById(id)?.dispatchEvent(new CustomEvent(what, { detail }));
  }

  // `element` in a component's script lies inside the block that carries its id.
  function hear(element, id, what, callback) {
    element.closest(`#${id}`).addEventListener(what, callback);
  }

  // Opens a tab by its name, and calls back with a part of it once that is there.
  function openTab(name, id, callback) {
    const button = [...document.querySelectorAll('#tabs button[role="tab"]')].find((each) => each.textContent.trim() === name);
    if (!button) return;
    button.click();
    const wait = () => {
      const part = document.getElementById(id);
      if (part && part.offsetParent && part.querySelector("*")) callback(part);
      else setTimeout(wait, 50);
    };
    wait();
  }

  // Where the server gives a file of its own: what a callback answered with a path.
  function address(path) {
    const { root = "", api_prefix = "/gradio_api" } = window.gradio_config || {};
    return new URL(`${root}${api_prefix}/file=${path.split("/").map(encodeURIComponent).join("/")}`, location).href;
  }

  function save(url, name) {
    const link = make("a", { href: url, download: name });
    document.body.append(link);
    link.click();
    link.remove();
  }

  return { make, picture, crispWidth, percent, shade, verdict, figures, whenSeen, busy, sliderSays, notSent, tell, hear, openTab, address, save, still };
})();
