"""Raises an exception that is a page: a script, an image, links by Markdown and by HTML, a formula, a table."""


def answer(right, original_samples, noise, timesteps):
    text = (
        "</pre></td></tr></table><script>alert(1)</script><img src=x onerror=alert(1)>[x](javascript:alert(1))"
        "[y](data:text/html,<script>alert(1)</script>)<a href='vbscript:x'>z</a>\\(\\href{javascript:alert(1)}{x}\\)"
        "]]><failure/></testsuite> | a | b |\n|---|---|\n`` ` ``"
    )
    print(text)
    raise type("<script>alert(1)</script>", (ValueError,), {})(text)
