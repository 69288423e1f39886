namespace Tessera.Tasks;

/// <summary>Draws that several tasks share.</summary>
internal static class Drawing
{
    /// <summary>A number whose count of digits is uniform in [minimum, maximum]; one digit includes 0.</summary>
    internal static int Number(ref TaskRandom random, int minimumDigits, int maximumDigits)
    {
        int digits = random.Next(minimumDigits, maximumDigits);
        int high = 1;
        for (int i = 0; i < digits; i++)
        {
            high *= 10;
        }

        return random.Next(digits == 1 ? 0 : high / 10, high - 1);
    }

    /// <summary>Numbers as <see cref="Number"/> draws them, all different.</summary>
    internal static List<int> Distinct(ref TaskRandom random, int count, int minimumDigits, int maximumDigits)
    {
        var numbers = new List<int>(count);
        while (numbers.Count < count)
        {
            int number = Number(ref random, minimumDigits, maximumDigits);
            if (!numbers.Contains(number))
            {
                numbers.Add(number);
            }
        }

        return numbers;
    }

    /// <summary>Digit of <paramref name="value"/> in front of 10^<paramref name="place"/>; 0 beyond its length.</summary>
    internal static int Digit(int value, int place)
    {
        for (int i = 0; i < place; i++)
        {
            value /= 10;
        }

        return value % 10;
    }

    /// <summary>Number of decimal digits; 1 for zero.</summary>
    internal static int Length(int value)
    {
        int length = 1;
        while (value >= 10)
        {
            value /= 10;
            length++;
        }

        return length;
    }

    /// <summary>Checks a level against the task's number of levels.</summary>
    internal static void CheckLevel(IProblemTask task, int level)
    {
        if (level < 1 || level > task.Levels)
        {
            throw new ArgumentOutOfRangeException(
                nameof(level), level, $"Task '{task.Name}' has levels 1 to {task.Levels}, not {level}.");
        }
    }
}
