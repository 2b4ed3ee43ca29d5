import DOMPurify from 'dompurify'

interface Props {
  html: string
}

export function Raw({ html }: Props) {
  // ruleid: javascript-react-raw-html
  return <div className="raw" dangerouslySetInnerHTML={{ __html: html }} />
}

export function Clean({ html }: Props) {
  // ok: javascript-react-raw-html
  return <div dangerouslySetInnerHTML={{ __html: DOMPurify.sanitize(html) }} />
}
