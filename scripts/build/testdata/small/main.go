// Command small is a small WebAssembly program.
package main

func main() { println("hello") }
