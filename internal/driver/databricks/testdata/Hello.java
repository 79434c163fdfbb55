import java.util.Arrays;

class Hello {
    public static void main(String[] args) {
        System.out.println(System.getenv("GREETING") + " " + Arrays.toString(args));
    }
}
