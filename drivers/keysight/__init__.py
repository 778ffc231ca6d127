#
# This file is written to be made part of the PyMeasure package.
#
# Copyright (c) 2026 Magnon Lab Developers
#
# Permission is hereby granted, free of charge, to any person obtaining a copy
# of this software and associated documentation files (the "Software"), to deal
# in the Software without restriction, including without limitation the rights
# to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
# copies of the Software, and to permit persons to whom the Software is
# furnished to do so, subject to the following conditions:
#
# The above copyright notice and this permission notice shall be included in
# all copies or substantial portions of the Software.
#
# THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
# IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
# FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
# AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
# LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
# OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN
# THE SOFTWARE.
#

from .e8257d import (
    Applied,
    GeneratorOperationCondition,
    GeneratorPowerCondition,
    KeysightE8257D,
)
from .e36312a import KeysightE36312A
from .n9000 import (
    Acquisition,
    IntegrityCondition,
    KeysightN9000,
    OperationCondition,
    PowerCondition,
    QuestionableCondition,
)

__all__ = [
    "Acquisition",
    "Applied",
    "GeneratorOperationCondition",
    "GeneratorPowerCondition",
    "IntegrityCondition",
    "KeysightE8257D",
    "KeysightE36312A",
    "KeysightN9000",
    "OperationCondition",
    "PowerCondition",
    "QuestionableCondition",
]
