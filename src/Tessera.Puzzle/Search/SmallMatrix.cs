namespace Tessera.Puzzle.Search;

/// <summary>Linear algebra on the handful of limits.</summary>
internal static class SmallMatrix
{
    /// <summary>Gauss-Jordan inverse with partial pivoting; destroys its input, false where it is singular.</summary>
    public static bool Invert(double[] matrix, double[] inverse, int size)
    {
        Array.Clear(inverse);
        for (int diagonal = 0; diagonal < size; diagonal++)
        {
            inverse[(diagonal * size) + diagonal] = 1;
        }

        for (int column = 0; column < size; column++)
        {
            int pivotRow = column;
            for (int row = column + 1; row < size; row++)
            {
                if (Math.Abs(matrix[(row * size) + column]) > Math.Abs(matrix[(pivotRow * size) + column]))
                {
                    pivotRow = row;
                }
            }

            double pivot = matrix[(pivotRow * size) + column];
            if (Math.Abs(pivot) < 1e-13)
            {
                return false;
            }

            Swap(matrix, pivotRow, column, size);
            Swap(inverse, pivotRow, column, size);
            Scale(matrix, column, 1 / pivot, size);
            Scale(inverse, column, 1 / pivot, size);
            for (int row = 0; row < size; row++)
            {
                double factor = matrix[(row * size) + column];
                if (row != column && factor != 0)
                {
                    Subtract(matrix, row, column, factor, size);
                    Subtract(inverse, row, column, factor, size);
                }
            }
        }

        return true;
    }

    private static void Swap(double[] matrix, int one, int other, int size)
    {
        for (int column = 0; one != other && column < size; column++)
        {
            (matrix[(one * size) + column], matrix[(other * size) + column]) =
                (matrix[(other * size) + column], matrix[(one * size) + column]);
        }
    }

    private static void Scale(double[] matrix, int row, double factor, int size)
    {
        for (int column = 0; column < size; column++)
        {
            matrix[(row * size) + column] *= factor;
        }
    }

    private static void Subtract(double[] matrix, int row, int other, double factor, int size)
    {
        for (int column = 0; column < size; column++)
        {
            matrix[(row * size) + column] -= factor * matrix[(other * size) + column];
        }
    }
}
