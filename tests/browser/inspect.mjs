// What is wrong with how a page lies on the screen. Runs inside the page.

/**
 * Looks for a document wider than the screen, text that is cut off or out of reach, and targets that are too small.
 *
 * Text may be cut off where an ellipsis shows it and a `title` holds all of it, may lie in a box that scrolls
 * sideways where `tabindex="0"` lets a keyboard scroll it, and may be hidden from all but screen readers in
 * a box of one pixel. What comes into view when it has the focus, a skip link, is tried with the focus.
 * A target in a sentence may be as high as its line (WCAG 2.5.8). `except` are selectors of what is not judged.
 */
export function inspect(except) {
  /** The least size of a target, in CSS pixels. */
  const TARGET_PX = 24
  /** Rounding, and glyphs that lean over. */
  const SLACK_PX = 1
  /** Glyphs are given more height than they fill, and a tight line height cuts into it. */
  const SLACK_OF_HEIGHT = 0.3
  const TARGETS =
    'a[href], area[href], button, input:not([type=hidden]), select, textarea, summary, [role=button], [role=link], [role=checkbox], ' +
    '[role=radio], [role=switch], [role=tab], [role=option], [role^=menuitem], [role=slider], [tabindex]:not([tabindex="-1"]), [onclick]'

  const faults = new Set()
  const root = document.documentElement
  const screen = { left: 0, right: root.clientWidth, top: 0, bottom: root.clientHeight }
  const excepted = (element) => except.some((selector) => element.closest(selector))
  const isVisible = (element) => element.checkVisibility({ visibilityProperty: true })
  const plain = (text) => text.replace(/\s+/g, ' ').trim()
  const excerpt = (text) => (plain(text).length > 40 ? `${plain(text).slice(0, 40)}...` : plain(text))

  function name(element) {
    if (element.id) return `${element.localName}#${element.id}`
    const classes = [...element.classList].map((each) => `.${each}`).join('')
    const parent = element.parentElement
    const place = `${element.localName}${classes}`
    return parent && parent !== document.body ? `${parent.id ? `#${parent.id}` : parent.localName} > ${place}` : place
  }

  function ancestors(element) {
    const all = []
    for (let at = element; at && at !== root && at !== document.body; at = at.parentElement) all.push(at)
    return all
  }

  function inside(element) {
    const box = element.getBoundingClientRect()
    if (element.localName === 'svg') return box
    const left = box.left + element.clientLeft
    const top = box.top + element.clientTop
    return { left, top, right: left + element.clientWidth, bottom: top + element.clientHeight }
  }

  /** Whether a box is only for screen readers. */
  function isHiddenBox(element, style) {
    const box = element.getBoundingClientRect()
    const isDot = box.width <= 1 && box.height <= 1 && style.overflowX !== 'visible'
    return isDot || style.clipPath === 'inset(50%)' || style.clipPath === 'inset(100%)'
  }

  function showsAll(element, style, text) {
    const isCut = style.textOverflow === 'ellipsis' || style.webkitLineClamp !== 'none'
    const title = element.closest('[title]')?.title ?? element.querySelector('[title]')?.title ?? ''
    return isCut && plain(title).includes(plain(text).replace(/\.\.\.$|…$/, ''))
  }

  /** What of a box of text can be seen: null where it is meant to be hidden, a complaint where it is not. */
  function seen(element, box, text) {
    let at = { left: box.left, right: box.right, top: box.top, bottom: box.bottom }
    const tolerance = Math.max(2, (box.bottom - box.top) * SLACK_OF_HEIGHT)
    let position = 'static'
    for (const around of ancestors(element)) {
      const style = getComputedStyle(around)
      if (isHiddenBox(around, style)) return null
      // What is positioned is not cut by the boxes between it and what it is positioned in.
      const isPassed = position === 'absolute' && style.position === 'static'
      if (position === 'fixed') break
      const isBox = around.localName === 'svg' || !['inline', 'contents'].includes(style.display)
      if (!isPassed && isBox) {
        const edge = inside(around)
        const sideways = at.left < edge.left - SLACK_PX || at.right > edge.right + SLACK_PX
        const upright = at.top < edge.top - tolerance || at.bottom > edge.bottom + tolerance
        if (style.overflowX !== 'visible' && sideways) {
          if (['auto', 'scroll'].includes(style.overflowX)) {
            if (around.tabIndex !== 0 || !around.hasAttribute('tabindex')) return `${name(around)} scrolls sideways, and has no tabindex="0"`
          } else if (!showsAll(around, style, text)) return `is cut off by ${name(around)}`
          at = { ...at, left: Math.max(at.left, edge.left), right: Math.min(at.right, edge.right) }
        }
        if (style.overflowY !== 'visible' && upright) {
          if (!['auto', 'scroll'].includes(style.overflowY) && !showsAll(around, style, text)) return `is cut off by ${name(around)}`
          at = { ...at, top: Math.max(at.top, edge.top), bottom: Math.min(at.bottom, edge.bottom) }
        }
        // What is scrolled away, or behind an ellipsis, is nowhere on the screen.
        if (at.left >= at.right || at.top >= at.bottom) return null
      }
      if (!isPassed) position = style.position
    }
    return offScreen(at, position === 'fixed')
  }

  function offScreen(at, isFixed) {
    if (at.right > screen.right + SLACK_PX && (isFixed || at.right + scrollX > screen.right + SLACK_PX)) return 'sticks out of the screen on the right'
    if (at.left + (isFixed ? 0 : scrollX) < -SLACK_PX) return 'sticks out of the screen on the left'
    if (at.top + (isFixed ? 0 : scrollY) < -SLACK_PX) return 'sticks out of the screen above'
    if (isFixed && at.bottom > screen.bottom + SLACK_PX) return 'sticks out of the screen below'
    return null
  }

  /** Whether it comes into view with the focus, as a skip link does. */
  function comesWithFocus(element) {
    const target = element.closest(TARGETS)
    if (!target) return false
    const before = document.activeElement
    target.focus({ preventScroll: true })
    const box = target.getBoundingClientRect()
    const comes = box.left >= 0 && box.top >= 0 && box.right <= screen.right && box.bottom <= screen.bottom
    if (before && before !== document.body) before.focus({ preventScroll: true })
    else target.blur()
    return comes
  }

  function wide() {
    if (root.scrollWidth > root.clientWidth) faults.add(`the document is ${root.scrollWidth} px wide, the screen ${root.clientWidth}`)
  }

  function texts() {
    let judged = 0
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
    while (walker.nextNode()) {
      const node = walker.currentNode
      const element = node.parentElement
      if (!plain(node.data) || !isVisible(element) || element.closest('script, style, noscript, template, select, textarea') || excepted(element)) continue
      const range = document.createRange()
      range.selectNodeContents(node)
      judged += 1
      for (const box of range.getClientRects()) {
        if (!box.width || !box.height) continue
        const fault = seen(element, box, node.data)
        if (!fault) continue
        if (!comesWithFocus(element)) faults.add(`the text "${excerpt(node.data)}" of ${name(element)} ${fault}`)
        break
      }
    }
    return judged
  }

  /** Whether words stand around it that are no target themselves. */
  function isInSentence(element) {
    if (getComputedStyle(element).display !== 'inline') return false
    let block = element.parentElement
    while (block && getComputedStyle(block).display.startsWith('inline')) block = block.parentElement
    if (!block) return false
    const walker = document.createTreeWalker(block, NodeFilter.SHOW_TEXT)
    while (walker.nextNode()) {
      const around = walker.currentNode.parentElement
      const own = around.closest(TARGETS)
      // Words of another block in the same one, such as the next cell, are no sentence with it.
      let nearest = around
      while (nearest !== block && getComputedStyle(nearest).display.startsWith('inline')) nearest = nearest.parentElement
      if (nearest === block && (!own || !block.contains(own) || own === block) && /\p{L}/u.test(walker.currentNode.data)) return true
    }
    return false
  }

  function sizeOf(element) {
    // A click on the label of a box to tick is one on the box; and what is inline is as large as what is in it.
    const labels = element.matches('[type=checkbox], [type=radio]') ? element.labels : []
    const parts = ['inline', 'contents'].includes(getComputedStyle(element).display) ? element.querySelectorAll('*') : []
    const boxes = [element, ...parts, ...labels].flatMap((each) => [...each.getClientRects()])
    const real = boxes.filter((box) => box.width && box.height)
    if (!real.length) return null
    const [left, top] = [Math.min(...real.map((box) => box.left)), Math.min(...real.map((box) => box.top))]
    const [right, bottom] = [Math.max(...real.map((box) => box.right)), Math.max(...real.map((box) => box.bottom))]
    return { left, top, right, bottom, width: right - left, height: bottom - top }
  }

  function targets() {
    for (const element of document.querySelectorAll(TARGETS)) {
      if (!isVisible(element) || element.matches(':disabled') || element.closest('[inert]') || excepted(element)) continue
      const size = sizeOf(element)
      const isHidden = ancestors(element).some((around) => isHiddenBox(around, getComputedStyle(around)) && !(around === element && element.labels?.length))
      if (!size || isHidden) continue
      // A field's size is that of its label too, which its own edges do not cut off.
      const from = element.labels?.length ? element.parentElement : element
      const fault = seen(from, { ...size }, element.textContent)
      if (fault && !fault.includes('scrolls') && !comesWithFocus(element)) faults.add(`the target ${name(element)} ${fault}`)
      if (Math.min(size.width, size.height) >= TARGET_PX - 0.01 || isInSentence(element)) continue
      faults.add(`the target ${name(element)} "${excerpt(element.textContent)}" is ${size.width.toFixed(1)} x ${size.height.toFixed(1)} px, less than ${TARGET_PX}`)
    }
  }

  wide()
  const judged = texts()
  targets()
  return { faults: [...faults], judged }
}
