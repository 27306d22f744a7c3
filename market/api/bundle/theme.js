// Before the first paint: the theme that the user chose, if any.
try {
  const theme = localStorage.getItem('gramercy.theme')
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme
} catch {
  // Without storage the system's theme stands.
}
