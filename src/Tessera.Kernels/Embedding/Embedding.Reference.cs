namespace Tessera.Kernels;

public static unsafe partial class Embedding
{
    /// <summary>The formula of <see cref="Forward"/> in double.</summary>
    public static void ReferenceForward(ReadOnlySpan<int> ids, ReadOnlySpan<double> table, Span<double> output, int width)
    {
        for (int t = 0; t < ids.Length; t++)
        {
            for (int i = 0; i < width; i++)
            {
                output[(t * width) + i] = table[(ids[t] * width) + i];
            }
        }
    }

    /// <summary>The formula of <see cref="Backward"/> in double.</summary>
    public static void ReferenceBackward(ReadOnlySpan<int> ids, ReadOnlySpan<double> gradOutput, Span<double> gradTable, int width)
    {
        for (int t = 0; t < ids.Length; t++)
        {
            for (int i = 0; i < width; i++)
            {
                gradTable[(ids[t] * width) + i] += gradOutput[(t * width) + i];
            }
        }
    }
}
