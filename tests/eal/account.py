"""An account kept from records of orders and fills alone, by other code than the gateway's: positions, cash, and how far they could have
gone at each moment, were all open orders to trade. Standard library only."""
import re

ENTER = re.compile(r"enter (\S+) (\w) (\d+) @ (\d+) tif=(\w)")
REPLACE = re.compile(r"replace (\d+) (\d+) @ (\d+)")
FILL = re.compile(r"fill (\S+) (\w) (\d+) @ (-?\d+) left=(\d+)")


class Account:
    """An order counts as open from the moment it is sent until it is known that it is not: an upper bound of what could trade."""

    def __init__(self):
        self.positions, self.cash, self.orders, self.open = {}, {}, {}, {}
        self.fills, self.filled_shares, self.furthest, self.counts = 0, 0, {}, {}
        self.sides, self.unmarked = set(), 0 # letters seen; sales of more than was held that were not marked as short

    def enter(self, ref, symbol, side, qty, executed=0):
        self.orders[ref] = [symbol, side, qty, executed] # asked for; executed, of what it replaced too
        self.sides.add(side)
        self.unmarked += side == "S" and qty - executed > self.positions.get(symbol, 0)
        self.open.setdefault((symbol, side == "B"), set()).add(ref)
        self.look(symbol)

    def replace(self, ref, orig, qty):
        """Quantities of replaces count what was executed before; only one of the two will trade."""
        symbol, side, _, executed = self.orders[orig]
        self.enter(ref, symbol, side, qty, executed)

    def fill(self, ref, qty, price):
        symbol, side = self.orders[ref][:2]
        for other in self.open.get((symbol, side == "B"), set()) | {ref}: # the chain of replaces: at most two are open at a time
            self.orders[other][3] += qty
        shares = qty if side == "B" else -qty
        self.positions[symbol] = self.positions.get(symbol, 0) + shares
        self.cash[symbol] = self.cash.get(symbol, 0) - shares * price
        self.fills += 1
        self.filled_shares += qty
        if self.orders[ref][3] >= self.orders[ref][2]:
            self.done(ref)
        self.look(symbol)

    def done(self, ref):
        symbol, side = self.orders[ref][:2]
        self.open[symbol, side == "B"].discard(ref)

    def look(self, symbol):
        position = self.positions.get(symbol, 0)
        reach = [position, position]
        for buy in (True, False):
            open_qty = max((max(self.orders[ref][2] - self.orders[ref][3], 0) for ref in self.open.get((symbol, buy), ())), default=0)
            reach[buy] += open_qty if buy else -open_qty
        least, most = self.furthest.get(symbol, (0, 0))
        self.furthest[symbol] = (min(least, reach[False]), max(most, reach[True]))

    def reach(self):
        """The furthest that any position was, or could have been, from flat."""
        return max((max(-least, most) for least, most in self.furthest.values()), default=0)

    def flat_free(self):
        return ({symbol: shares for symbol, shares in self.positions.items() if shares},
                {symbol: cash for symbol, cash in self.cash.items() if cash})


def journal(path, strategy):
    """The account of one strategy, from the gateway's journal. It has one order a side, and a new one only when the last is done."""
    account = Account()
    with open(path, encoding="ascii") as file:
        for line in file:
            _, name, ref, rest = line.rstrip("\n").split(" ", 3)
            if name != strategy:
                continue
            ref = int(ref.removeprefix("ref="))
            account.counts[rest.split(" ", 1)[0]] = account.counts.get(rest.split(" ", 1)[0], 0) + 1
            if match := ENTER.match(rest):
                symbol, side, qty = match[1], match[2], int(match[3])
                account.open[symbol, side == "B"] = set()
                account.enter(ref, symbol, side, qty)
            elif match := REPLACE.match(rest):
                orig = int(match[1])
                symbol, side = account.orders[orig][:2]
                account.open[symbol, side == "B"] &= {orig}
                account.replace(ref, orig, int(match[2]))
            elif match := FILL.match(rest):
                account.fill(ref, int(match[3]), int(match[4]))
    return account
