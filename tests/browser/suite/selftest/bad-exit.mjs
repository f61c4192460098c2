// A suite that ends the process as if all were well.

export const steps = {
  good: ({ page }) => page.setContent('<h1>Good</h1>'),
  leaves: () => process.exit(0),
  'never runs': () => {},
}
