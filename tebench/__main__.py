from tebench.cli.main import main

main()
