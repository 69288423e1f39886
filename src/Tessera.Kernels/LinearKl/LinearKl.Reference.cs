namespace Tessera.Kernels;

public static unsafe partial class LinearKl
{
    /// <summary>The formula of <see cref="Run"/> in double; both gradients are accumulated.</summary>
    public static void ReferenceRun(
        ReadOnlySpan<double> studentHidden, ReadOnlySpan<double> studentHead, ReadOnlySpan<double> teacherHidden,
        ReadOnlySpan<double> teacherHead, ReadOnlySpan<double> tokenWeights, double temperature, Span<double> tokenLoss,
        Span<double> gradHidden, Span<double> gradHead, int vocabulary, double gradientScale)
    {
        int tokens = tokenWeights.Length, studentWidth = studentHead.Length / vocabulary, teacherWidth = teacherHead.Length / vocabulary;
        double[] student = new double[vocabulary], teacher = new double[vocabulary];
        for (int t = 0; t < tokens; t++)
        {
            tokenLoss[t] = 0;
            if (tokenWeights[t] == 0)
            {
                continue;
            }

            LogProbabilities(studentHidden.Slice(t * studentWidth, studentWidth), studentHead, temperature, student);
            LogProbabilities(teacherHidden.Slice(t * teacherWidth, teacherWidth), teacherHead, temperature, teacher);
            for (int v = 0; v < vocabulary; v++)
            {
                double p = Math.Exp(teacher[v]), q = Math.Exp(student[v]);
                tokenLoss[t] += temperature * temperature * p * (teacher[v] - student[v]);
                double gradient = gradientScale * tokenWeights[t] * temperature * (q - p);
                for (int i = 0; i < studentWidth; i++)
                {
                    gradHidden[(t * studentWidth) + i] += gradient * studentHead[(v * studentWidth) + i];
                    gradHead[(v * studentWidth) + i] += gradient * studentHidden[(t * studentWidth) + i];
                }
            }
        }
    }

    private static void LogProbabilities(ReadOnlySpan<double> hidden, ReadOnlySpan<double> head, double temperature, Span<double> result)
    {
        LinearCrossEntropy.ReferenceLogits(hidden, head, result);
        for (int v = 0; v < result.Length; v++)
        {
            result[v] /= temperature;
        }

        double logSum = LinearCrossEntropy.ReferenceLogSum(result);
        for (int v = 0; v < result.Length; v++)
        {
            result[v] -= logSum;
        }
    }
}
