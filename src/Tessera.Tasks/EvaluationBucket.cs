namespace Tessera.Tasks;

/// <summary>
/// Decides by the question's text alone whether it is reserved for evaluation: a stable 64-bit hash, modulo
/// <see cref="Buckets"/>, is zero. Neither task, level nor seed enters, so a question reachable in two levels is on one side.
/// </summary>
public static class EvaluationBucket
{
    /// <summary>One question in this many is reserved.</summary>
    public const int Buckets = 16;

    /// <summary>Whether the question may be drawn only for evaluation.</summary>
    public static bool Contains(string question) => Hash(question) % Buckets == 0;

    /// <summary>FNV-1a over the UTF-16 units, then a full mix: the low bits of FNV-1a alone see only the low bits of each unit.</summary>
    public static ulong Hash(string question)
    {
        ulong hash = 0xCBF29CE484222325UL;
        foreach (char unit in question)
        {
            hash = (hash ^ unit) * 0x100000001B3UL;
        }

        return TaskRandom.Mix(hash);
    }
}
