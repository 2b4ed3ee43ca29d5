import { NextRequest, NextResponse } from 'next/server'
import { readFile } from 'node:fs/promises'

export async function GET(request: NextRequest): Promise<NextResponse> {
  const url: string = request.nextUrl.searchParams.get('url') ?? ''
  // ruleid: javascript-ssrf
  const answer = await fetch(url)
  // ok: javascript-ssrf
  const other = await fetch('https://api.example.com/status')
  return NextResponse.json(await answer.json())
}

export class Users {
  constructor(private readonly database: Database) {}

  async find(req: Request<{ id: string }>, res: Response): Promise<void> {
    const id = req.params.id as string
    // ruleid: javascript-sql-injection
    await this.database.query(`SELECT * FROM users WHERE id = '${id}'`)
    // ok: javascript-sql-injection
    await this.database.query<User>('SELECT * FROM users WHERE id = $1', [id])
  }
}
