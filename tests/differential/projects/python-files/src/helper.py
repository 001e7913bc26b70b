def shout(word):
    return f"{word.upper()}!"
