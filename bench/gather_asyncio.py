"""Python's side of the comparison: no-op items through asyncio, in one of three forms.

Usage: gather_asyncio.py FORM ITEMS
Prints nanoseconds an item by the wall clock, the same of processor time, and the peak of this process's memory in KiB
(on Linux).
"""

import asyncio
import resource
import sys
import time

LIMIT = 64


async def item(number):
    return number


async def unlimited(items):
    """asyncio.gather as its documentation has it: a task an item, no limit, results in order."""
    return sum(await asyncio.gather(*(item(number) for number in range(items))))


async def semaphore(items):
    """asyncio.gather with the usual limit: a semaphore that each task waits for."""
    permits = asyncio.Semaphore(LIMIT)

    async def limited(number):
        async with permits:
            return await item(number)

    return sum(await asyncio.gather(*(limited(number) for number in range(items))))


async def pulled(items):
    """The cheapest form with a limit: LIMIT tasks that take item after item. No task an item, so an item can't be
    cancelled by itself."""
    numbers = iter(range(items))

    async def take():
        total = 0
        for number in numbers:
            total += await item(number)
        return total

    return sum(await asyncio.gather(*(take() for _ in range(LIMIT))))


FORMS = {"unlimited": unlimited, "semaphore": semaphore, "pulled": pulled}


def main():
    form, items = FORMS[sys.argv[1]], int(sys.argv[2])
    start, processor_start = time.perf_counter_ns(), time.process_time_ns()
    total = asyncio.run(form(items))
    elapsed, processor = time.perf_counter_ns() - start, time.process_time_ns() - processor_start
    assert total == items * (items - 1) // 2, "an item is missing"
    print(elapsed // items, processor // items, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


main()
