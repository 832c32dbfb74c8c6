name = input("Which checkpoint? ")
