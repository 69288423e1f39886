using Tessera.Devices;

namespace Tessera.Kernels;

public static unsafe partial class HiddenLoss
{
    /// <summary>The formula of <see cref="Cosine"/> in double for one token; the gradient of the loss itself is assigned.</summary>
    public static double ReferenceCosine(ReadOnlySpan<double> student, ReadOnlySpan<double> teacher, Span<double> gradient)
    {
        double dot = 0, studentSquares = 0, teacherSquares = 0;
        for (int i = 0; i < student.Length; i++)
        {
            dot += student[i] * teacher[i];
            studentSquares += student[i] * student[i];
            teacherSquares += teacher[i] * teacher[i];
        }

        double norms = Math.Sqrt(studentSquares * teacherSquares);
        for (int i = 0; i < student.Length; i++)
        {
            gradient[i] = norms == 0 ? 0 : (student[i] * dot / norms / studentSquares) - (teacher[i] / norms);
        }

        return norms == 0 ? 1.0 : 1.0 - (dot / norms);
    }

    /// <summary>The formula of <see cref="NormalisedMse(Device, Elements, Elements, Elements, int, int, float)"/> in double; the gradient of the loss itself is assigned.</summary>
    public static double ReferenceNormalisedMse(ReadOnlySpan<double> student, ReadOnlySpan<double> teacher, Span<double> gradient)
    {
        double difference = 0, norm = 0;
        for (int i = 0; i < student.Length; i++)
        {
            difference += (student[i] - teacher[i]) * (student[i] - teacher[i]);
            norm += teacher[i] * teacher[i];
        }

        for (int i = 0; i < student.Length; i++)
        {
            gradient[i] = 2.0 * (student[i] - teacher[i]) / norm;
        }

        return difference / norm;
    }
}
