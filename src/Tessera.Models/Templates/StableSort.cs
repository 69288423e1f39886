namespace Tessera.Models.Templates;

/// <summary>A merge sort: stable, as Python's is, and calm when comparisons throw or contradict each other.</summary>
internal static class StableSort
{
    public static List<T> Sort<T>(IReadOnlyList<T> items, Comparison<T> compare)
    {
        T[] sorted = [.. items];
        T[] buffer = new T[sorted.Length];
        for (int width = 1; width < sorted.Length; width *= 2)
        {
            for (int start = 0; start < sorted.Length; start += 2 * width)
            {
                int middle = Math.Min(start + width, sorted.Length);
                Merge(sorted, start, middle, Math.Min(start + (2 * width), sorted.Length), buffer, compare);
            }

            (sorted, buffer) = (buffer, sorted);
        }

        return [.. sorted];
    }

    private static void Merge<T>(T[] source, int start, int middle, int end, T[] target, Comparison<T> compare)
    {
        int left = start;
        int right = middle;
        for (int at = start; at < end; at++)
        {
            bool takesRight = right < end && (left >= middle || compare(source[right], source[left]) < 0);
            target[at] = takesRight ? source[right++] : source[left++];
        }
    }
}
