// Pages of jobs and rounds show charts: their chunk is fetched along with the page's own code, not after it.
if (/^\/markets\/[^/]+\/[^/]+\/jobs\/\d+(\/rounds\/\d+)?\/?$/.test(location.pathname)) {
  const named = document.querySelector('meta[name=charts]')
  if (named) {
    const link = document.createElement('link')
    link.rel = 'modulepreload'
    link.href = named.content
    document.head.append(link)
  }
}
