/** Something that must hold did not. `law` names it, the same in every history; `detail` says where. */
export class Violation extends Error {
  override readonly name = "Violation"
  readonly law: string

  constructor(law: string, detail: string) {
    super(`${law}: ${detail}`)
    this.law = law
  }
}
