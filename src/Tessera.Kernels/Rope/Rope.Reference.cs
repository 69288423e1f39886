namespace Tessera.Kernels;

/// <content>The formula in scalar double precision.</content>
public static unsafe partial class Rope
{
    /// <summary>Rotates one head by <paramref name="position"/>, or by −position for the backward; frequencies are the table's.</summary>
    public static void RotateReference(Span<double> head, int position, ReadOnlySpan<double> inverseFrequencies)
    {
        int half = head.Length / 2;
        for (int j = 0; j < half; j++)
        {
            // The angle is an f32 product by definition of the embedding; everything after it is exact here.
            double angle = position * (float)inverseFrequencies[j];
            double a = head[j], b = head[j + half];
            head[j] = (a * Math.Cos(angle)) - (b * Math.Sin(angle));
            head[j + half] = (b * Math.Cos(angle)) + (a * Math.Sin(angle));
        }
    }
}
