'use strict';
// Keeps the page as the server has it now, and changes in place what is another.
(() => {
  const every = 1000, patience = 3000, timeout = 5000;
  const find = id => document.getElementById(id);
  const live = find('live'), root = document.documentElement;
  let heard = Date.now(), resumed = heard, why = '', asking = false, frozen = false, timer = 0;

  const put = (node, text) => { if (node.textContent !== text) node.textContent = text; };
  const key = node => node.dataset?.key;
  const drop = node => { const next = node.nextSibling; node.remove(); return next; };
  const selection = () => { const s = getSelection(); return s && s.rangeCount && !s.isCollapsed ? s.getRangeAt(0) : null; };

  // text leaves selected text alone: somebody is about to copy it. The banner never stays as it was.
  const text = (old, now, range) => {
    if (old.data === now.data) return;
    if (range?.intersectsNode(old) && !old.parentElement.closest('.banner')) { frozen = true; return; }
    old.data = now.data;
  };

  const attributes = (old, now) => {
    for (const a of now.attributes) if (old.getAttribute(a.name) !== a.value) old.setAttribute(a.name, a.value);
    for (const a of [...old.attributes]) if (a.name !== 'open' && !now.hasAttribute(a.name)) old.removeAttribute(a.name);
  };

  // change makes one node like another of the same name.
  const change = (old, now, range) => {
    if (old.nodeType === Node.TEXT_NODE) return text(old, now, range);
    if (old.nodeType !== Node.ELEMENT_NODE || old.classList.contains('busy')) return;
    attributes(old, now);
    children(old, now, range);
  };

  // children keeps the nodes that stay where they are: those with a key by it, the others by their place.
  const children = (old, now, range) => {
    const had = new Map([...old.children].filter(key).map(c => [key(c), c]));
    const stay = new Set([...now.children].map(key).filter(Boolean));
    let at = old.firstChild;
    for (const next of [...now.childNodes]) {
      const k = key(next);
      while (at && key(at) && !stay.has(key(at))) at = drop(at);
      let match = k ? had.get(k) : at && !key(at) ? at : null;
      if (match && match.nodeName !== next.nodeName) match = null;
      while (k && match && at && at !== match && !key(at)) at = drop(at);
      if (!match) {
        old.insertBefore(document.importNode(next, true), at);
        continue;
      }
      if (match === at) at = at.nextSibling; else old.insertBefore(match, at);
      change(match, next, range);
    }
    while (at) at = drop(at);
  };

  const show = next => {
    if (next.dataset.code !== live.dataset.code) { location.reload(); return; } // another version of the program
    frozen = false;
    change(live, next, selection());
    if (find('icon').getAttribute('href') !== live.dataset.icon) find('icon').setAttribute('href', live.dataset.icon);
  };

  const ask = async () => {
    if (asking) return;
    asking = true;
    clearTimeout(timer);
    const abort = new AbortController(), limit = setTimeout(() => abort.abort(), timeout);
    try {
      const answer = await fetch('?content', {cache: 'no-store', signal: abort.signal});
      if (!answer.ok) throw new Error(`The server answers ${answer.status}.`);
      const next = new DOMParser().parseFromString(await answer.text(), 'text/html').getElementById('live');
      if (!next) throw new Error('Something else answers at this port.');
      heard = Date.now();
      show(next);
    } catch (e) {
      why = e.name === 'AbortError' ? 'The server takes the connection, but does not answer.' : e instanceof TypeError ? 'The connection fails: does the process run?' : e.message;
    } finally {
      clearTimeout(limit);
      asking = false;
      watch();
      if (!document.hidden) timer = setTimeout(ask, every);
    }
  };

  const span = ms => {
    const s = Math.floor(ms / 1000);
    return s < 120 ? `${s} s` : s < 7200 ? `${Math.floor(s / 60)} min` : `${Math.floor(s / 3600)} h`;
  };

  // watch says what the page is worth: also between two answers, and where none comes.
  const watch = () => {
    const silent = Date.now() - heard, lost = silent > patience, was = root.classList.contains('lost');
    root.classList.toggle('lost', lost);
    find('lost').hidden = !lost;
    const state = document.hidden ? 'Paused' : lost ? 'No answer' : '';
    const title = state ? `${state}: ${live.dataset.title.replace(/^[^:]*: /, '')}` : live.dataset.title;
    if (document.title !== title) document.title = title;
    if (lost) {
      put(find('lost-for'), span(silent));
      put(find('lost-at'), live.dataset.now);
      put(find('lost-why'), Date.now() - resumed < patience ? 'The page was paused, and asks again.' : why);
    }
    put(find('mode'), lost ? `Of ${live.dataset.now}` : frozen ? `Live, ${live.dataset.now}; selected text stands still` : `Live, ${live.dataset.now}`);
    if (lost !== was) put(find('say'), lost ? 'No answer from the server.' : 'The server answers again.');
  };

  const copy = async button => {
    const code = button.previousElementSibling;
    let done = true;
    try { await navigator.clipboard.writeText(code.textContent); } catch { done = false; }
    if (!done) getSelection().selectAllChildren(code);
    button.classList.add('busy');
    put(button, done ? 'Copied' : 'Selected');
    setTimeout(() => { button.classList.remove('busy'); put(button, 'Copy'); }, 2000);
  };

  document.addEventListener('click', e => { const button = e.target.closest?.('button.copy'); if (button) copy(button); });
  document.addEventListener('visibilitychange', () => {
    clearTimeout(timer);
    if (!document.hidden) { resumed = Date.now(); ask(); }
    watch();
  });
  root.classList.add('js');
  setInterval(watch, 500);
  watch();
  timer = setTimeout(ask, every);
})();
