from tebench.cli import main

main()
