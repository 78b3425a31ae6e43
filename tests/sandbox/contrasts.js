// Every visible text of the page with its contrast to the ground it stands on (WCAG 2).
// A ground that is a gradient counts by its lightest colour, the worst for light text.
function numbers(colour) {
  const found = colour.match(/[\d.]+/g).map(Number);
  return found.length < 4 || found[3] > 0 ? found : null;
}
function luminance([r, g, b]) {
  const [x, y, z] = [r, g, b].map((part) => {
    const c = part / 255;
    return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * x + 0.7152 * y + 0.0722 * z;
}
function grounds(element) {
  for (let e = element; e; e = e.parentElement) {
    const style = getComputedStyle(e);
    const colours = [style.backgroundColor];
    if (e === document.body) colours.push(...style.backgroundImage.match(/rgba?\([^)]*\)/g));
    const found = colours.map(numbers).filter(Boolean);
    if (found.length) return found.map(luminance);
  }
  throw new Error("no ground");
}
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
const result = [];
while (walker.nextNode()) {
  const text = walker.currentNode.textContent.trim();
  const element = walker.currentNode.parentElement;
  if (!text || !element.checkVisibility()) continue;
  const ink = luminance(numbers(getComputedStyle(element).color));
  const ratios = grounds(element).map(
    (ground) => (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05),
  );
  result.push([text, Math.min(...ratios)]);
}
return result;
